"""`leasewatch dns`: names of this host for other programs and hosts. A file for each command.

- `command` is the group. A command is loaded when it is used, because dnspython takes 100 ms.
- `serve` runs the process, `status` asks it, `key` makes keys, and `setup` prints what name servers
  need. `withdraw` removes exported names.

What must hold: no command prints a key. Only `serve` listens on a network.
"""
