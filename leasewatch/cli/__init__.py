"""The commands of `leasewatch`: words in, rows out.

In: arguments. Out: a table, JSON, CSV or names on stdout; one line per error on stderr.

- A command asks the service over Varlink. Without a service it says so in one line and reads the
  files itself (`ask`).
- Importing a query must stay cheap: tests/test_start.py lists what it may load.
- `nss_pyvirt.terminal` prints; a string that a guest chose is never printed raw.
"""
