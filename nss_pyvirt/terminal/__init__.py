"""How every command of ours prints and fails.

In: rows and errors. Out: aligned tables, JSON, CSV or names; one line and a hint per error.

- Strings may come from guests: control characters are never printed raw.
- A table leaves out columns that a narrow terminal has no room for. Colour is for terminals only.
- Exit codes: 0 done, 1 failed, 2 wrong usage. A closed pipe ends a command quietly.
- This package knows no command and imports nothing of leasewatch.
"""
