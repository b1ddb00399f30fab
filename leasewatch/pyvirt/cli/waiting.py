"""Waiting for a guest, as `launch`, `start --wait` and `ssh` do: shown on stderr."""

from __future__ import annotations

from leasewatch.paths import Paths
from nss_pyvirt.terminal import commands
from nss_pyvirt.terminal.commands import Param
from nss_pyvirt.terminal.status_line import StatusLine

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Final

    from leasewatch.pyvirt.domains.reached import Goal

DEFAULT: Final = "300s"
"""An emulated guest with cloud-init needs about 60 s on a busy host."""


def timeout(help: str) -> Param:  # noqa: A002  click's word
    """The option that says how long to wait."""
    return Param(
        "--timeout",
        kind=commands.seconds,
        metavar="TIME",
        default=DEFAULT,
        help=help,
    )


def wait(name: str, goal: Goal, seconds: float, line: StatusLine) -> str:
    """The address at which the domain is reached; UserError after `seconds`."""
    from leasewatch.pyvirt.domains import reached  # noqa: PLC0415  start-up time

    return reached.wait(
        Paths(), name, goal, seconds, lambda seen: line(f"waiting for {name}: {seen}")
    )


def wait_shown(name: str, goal: Goal, seconds: float) -> str:
    """`wait` with a line of its own."""
    with StatusLine("pyvirt") as line:
        return wait(name, goal, seconds, line)
