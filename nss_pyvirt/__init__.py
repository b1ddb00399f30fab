"""The host table's format, and what every command of ours shares.

In: host records. Out: the bytes of hosts.v1 and a reader of it, both through csrc's own code.

- `snapshot` writes and reads the format that csrc/snapshot_format.h defines; `_build_cffi` compiles
  csrc's index builder and reader for it.
- `replacing` replaces files whole, `programs` runs tools with a deadline.
- `terminal` is how commands print and fail, `installer` is `nss-pyvirt`.
- Nothing here imports `leasewatch`: the service depends on the format, never the other way round.
"""

__version__ = "2026.1.0"
