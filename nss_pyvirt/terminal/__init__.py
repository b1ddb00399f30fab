"""How every command of ours reads its words, prints and fails.

In: words, rows and errors. Out: tables, JSON, CSV or names; one line and a hint per error.

- `commands` declares a command once. It reads plain words itself, so that a command starts without
  click. `with_click` does what is rare, from the same declaration: help, wrong usage. So
  does `complete` for shells.
- Modules that every start loads import no typing, re, pathlib, json and the like: each takes 4 to
  10 ms, and tests/test_start.py lists them.
- Strings may come from guests: control characters are never printed raw.
- A table leaves out columns that a narrow terminal has no room for. Colour is for terminals only.
- With `-o json`, errors, warnings, notes and hints are lines of JSON on stderr. An error has one of
  the codes of `nss_pyvirt.codes`; scripts rely on them.
- Exit codes: 0 done, 1 failed, 2 wrong usage. A closed pipe ends a command quietly.
- This package knows no command and imports nothing of leasewatch.
"""
