"""The commands of `leasewatch`: words in, rows out.

In: arguments. Out: a table, JSON, CSV or names on stdout; one line per error on stderr.

- A command asks the service over Varlink. Without a service it says so in one line and reads the
  files itself (`ask`).
- `list` and `ip` must start in little more than Python's own time: tests/test_start.py lists what
  they may not load. They take the service's replies unchecked. A reply that they do not understand
  is asked for again and checked (`api.client`), which says what is wrong.
- `nss_pyvirt.terminal` prints; a string that a guest chose is never printed raw.
"""
