"""The NSS module's Python side: the snapshot format, and putting the module into a system.

Imports nothing of `leasewatch`: the service depends on the format, never the other way round.
"""

__version__ = "0.1.0"
