"""The service that gives every VM on this host its name, and the manager `pyvirt`.

DESIGN.md is the way in: the flow of a lease, the rooms and the words. Each package's docstring is
the page on its room: what comes in, what goes out, what must hold. A reader of the service may skip
`leasewatch.pyvirt`.
"""
