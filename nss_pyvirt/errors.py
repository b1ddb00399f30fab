"""The base of all errors that a person reads, and the codes that a script reads. It prints nothing.

The manual page pyvirt(1), section ERRORS, explains the codes.
"""

from __future__ import annotations

from typing import Literal

Code = Literal[
    "exists",
    "failed",
    "incomplete",
    "invalid",
    "missing",
    "needs-root",
    "not-found",
    "not-running",
    "pending",
    "running",
    "timeout",
    "unavailable",
    "usage",
]
"""What kind of error it is. Scripts rely on these words: add one, but never change one."""


class UserError(Exception):
    """Something the user can correct.

    `what`: what went wrong, in one line. `hint`: what to type next, empty if nothing is known.
    `code`: the kind, for scripts. A command prints them and exits with `exit_code`.
    """

    code: Code = "failed"

    def __init__(
        self, what: str, hint: str = "", code: Code | None = None, *, exit_code: int = 1
    ) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.code = code or self.code
        self.exit_code = exit_code
