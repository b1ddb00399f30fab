"""Reading files that others write, and locks. `nss_pyvirt.replacing` replaces files.

In: paths. Out: bytes with proof of their version, parsed run states, held locks.

- `reading`: read a file that others write; says whether the bytes may be torn.
- `locks`: one POSIX record lock per network and domain says who holds it. The kernel names the
  holder, so no pid on disk is ever stale. Commands on one name exclude each other by flock(2).
- Run states of pyvirt are read here only. One that cannot be read keeps its last value.
"""
