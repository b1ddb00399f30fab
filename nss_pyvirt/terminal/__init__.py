"""How every command of ours reads its words, prints and fails.

In: words, rows and errors. Out: tables, JSON, CSV or names; one line and a hint per error.

- Strings may come from guests: control characters are never printed raw.
- A table leaves out columns that a narrow terminal has no room for. Colour is for terminals only.
- With `-o json`, errors, warnings, notes and hints are lines of JSON on stderr. An error has one of
  the codes of `nss_pyvirt.errors`; scripts rely on them.
- Exit codes: 0 done, 1 failed, 2 wrong usage. A closed pipe ends a command quietly.
- This package knows no command and imports nothing of leasewatch.
"""
