"""The one base of all errors that a person is meant to read; it prints nothing itself."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend: `what` went wrong in one line, and a `hint` to type next.

    The command-line tools print it as `PROGRAM: WHAT` and `hint: HINT` and exit with `exit_code`;
    nothing else catches it to print.
    """

    def __init__(self, what: str, hint: str = "", *, exit_code: int = 1) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.exit_code = exit_code
