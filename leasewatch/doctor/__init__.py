"""`leasewatch doctor`: why a name does not resolve, or a guest gets no address, and what to type.

In: the host as it is now (`host.Host` looks at each thing once). Out: rows (`nss_pyvirt.checks`).

- Each file but `host`, `registry` and `cli` is one check. It is pure: it judges what `Host` saw.
- `registry` lists the checks in the order of a lookup and runs them. `cli` prints the rows.
- A check changes nothing, and a check that fails is a row, not the end of the run.
- Every program that it runs has a deadline. A plain user may run it: the state `root` marks what
  only root can check.
- `following` follows one name. The checks of the installation are `nss_pyvirt.installer.status`.
"""
