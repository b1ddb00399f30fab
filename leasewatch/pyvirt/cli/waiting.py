"""Waiting for a guest, as `launch`, `start --wait` and `ssh` do: shown on stderr."""

from __future__ import annotations

from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands
from nss_pyvirt.terminal.commands import Param
from nss_pyvirt.terminal.status_line import StatusLine

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Final, Literal

    Goal = Literal["address", "ssh"]

DEFAULT: Final = "300s"
"""An emulated guest with cloud-init needs about 60 s on a busy host."""
_SSH: Final = 22
_LEAST: Final = 1.0  # seconds for a domain that is waited for after others


def timeout(help: str) -> Param:  # noqa: A002  click's word
    """The option that says how long to wait."""
    return Param(
        "--timeout",
        kind=commands.seconds,
        metavar="TIME",
        default=DEFAULT,
        help=help,
    )


def wait(
    name: str, goal: Goal, seconds: float, line: StatusLine, begun: float | None = None
) -> str:
    """The address at which the domain is reached.

    UserError when it ends meanwhile, and `seconds` after `begun` (monotonic; None: now) with what
    was seen last.
    """
    import time  # noqa: PLC0415  start-up time

    from leasewatch.pyvirt.domains.known import KnownDomains  # noqa: PLC0415  start-up time
    from leasewatch.reach import ports  # noqa: PLC0415  start-up time
    from leasewatch.reach.addresses import Awaited, TimedOutError  # noqa: PLC0415  start-up time

    domains = KnownDomains(Paths())
    domains.check_running(name)

    def tell(seen: str) -> None:
        domains.check_running(name)
        line(f"waiting for {name}: {seen}")

    now = time.monotonic()
    deadline = now + seconds if begun is None else max(begun + seconds, now + _LEAST)
    awaited = Awaited(Paths(), name, deadline)
    try:
        if goal == "address":
            return awaited.addresses(tell)[0]
        connection, address = ports.connect(awaited, _SSH, tell, b"SSH-")
    except TimedOutError as error:
        wanted = "no address" if goal == "address" else "no answer from ssh"
        what = f"{wanted} of {name} within {seconds:g} s: {error.seen}"
        hint = f"see what it prints: sudo pyvirt domain console {name}"
        raise UserError(what, hint, error.code) from None
    connection.close()
    return address


def wait_shown(name: str, goal: Goal, seconds: float, begun: float | None = None) -> str:
    """`wait` with a line of its own."""
    with StatusLine("pyvirt") as line:
        return wait(name, goal, seconds, line, begun)
