"""The base of all errors that a person reads. It prints nothing."""

from __future__ import annotations

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from nss_pyvirt.codes import Code


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
