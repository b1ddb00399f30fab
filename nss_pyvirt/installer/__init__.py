"""`nss-pyvirt install`, `remove` and `status`: the module's place in a system.

In: a root folder, its nsswitch.conf and glibc. Out: module, nsswitch line, user, unit; or neither.

- Install is safe to repeat and changes only what differs. Remove restores nsswitch.conf byte for
  byte if it has not been changed since. What it cannot undo, it names.
- The service can read every file, so its unit hides secrets. In /etc it shows only the settings and
  what a program needs to start; elsewhere it hides folders. A mount that hides one file would end
  when that file is replaced. `leasewatch sources` names the folder that hides a lease file.
- authselect and systems without systemd are served too (`authselect`, `pieces`).
"""
