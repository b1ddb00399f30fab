"""One command for several networks or domains: if one fails, the others are still handled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import frame


def each(kind: str, names: Sequence[str], act: Callable[[str], str]) -> int:
    """Act on every name and print `KIND NAME WHAT-ACT-RETURNS`; the exit code.

    An error is printed where it happens; the exit code is then that of the last one.
    """
    code = 0
    for name in names:
        try:
            frame.print_done(f"{kind} {name} {act(name)}", **{kind: name})
        except UserError as error:
            frame.print_error("pyvirt", error)
            code = error.exit_code
    return code
