"""`leasewatch wait NAME…`: until names have an address, answer on a port, or are gone."""

from __future__ import annotations

import time

from leasewatch.cli import ask, waiting
from leasewatch.paths import Paths
from leasewatch.reach import guests, ports
from leasewatch.reach.addresses import Awaited
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final, Literal

    from leasewatch.reach.addresses import What

    Goal = tuple[What, int]
    """What the service is asked for, and a port to connect to; 0: none."""

_WHATS: Final[tuple[What, ...]] = ("address", "ipv4", "ipv6", "gone")


def _goal(text: str) -> Goal:
    """`tcp:22`, or what the service waits for; raises ValueError."""
    found = next((what for what in _WHATS if what == text), None)
    if found is not None:
        return found, 0
    kind, _, number = text.partition(":")
    if kind != "tcp" or not number:
        raise ValueError(f'"{text}" is not address, ipv4, ipv6, gone or tcp:PORT, e.g. tcp:22')
    return "address", commands.whole_number(1, 65535)(number)


def _after(text: str) -> Literal["start"] | float:
    """`start`, or Unix seconds; raises ValueError."""
    if text == "start":
        return "start"
    from leasewatch.cli import since  # noqa: PLC0415  start-up time

    try:
        return since.moment(text, time.time())
    except ValueError as error:
        raise ValueError(f'"{text}": {error}; or: start') from None


@commands.command(
    Param("names", multiple=True, required=True, metavar="NAME...", complete=ask.complete_name),
    Param(
        "--for",
        name="goal",
        kind=_goal,
        default="address",
        metavar="GOAL",
        complete=lambda _paths, _given: (*_WHATS, "tcp:22"),
        help="What to wait for: address, ipv4, ipv6, gone, or tcp:PORT (the port answers).",
    ),
    Param(
        "--timeout",
        kind=commands.seconds,
        default="60s",
        metavar="TIME",
        help="How long to wait in all, e.g. 90s or 2m; 0: look once.",
    ),
    Param(
        "--after",
        kind=_after,
        metavar="start|TIME",
        complete=lambda _paths, _given: ("start",),
        help="Count only leases from after the domain's start, or a time: 30s (ago), 14:30.",
    ),
    Param(
        "--booting",
        flag=True,
        help="Wait only for domains that were started less than --timeout ago.",
    ),
    epilog=frame.examples(
        "leasewatch wait web1                    until it has an address",
        "leasewatch wait web1 db1 --for=tcp:22 --timeout 2m",
        "leasewatch wait web1 --after=start      no lease of an earlier run counts",
        "leasewatch wait web1 --for=gone",
    ),
)
def command(
    paths: Paths,
    names: Sequence[str],
    goal: Goal,
    timeout: int,
    after: Literal["start"] | float | None,
    *,
    booting: bool,
) -> int:
    """Wait until NAMEs have an address, answer on a port, or are gone.

    It returns at the moment it happens. A name without a host is waited for, too.

    Exits with 4 after --timeout, and says what was seen last; with 3 if no host has the name even
    then. Needs the running service.
    """
    deadline: float | None = time.monotonic() + timeout
    code = 0
    for name in dict.fromkeys(names):
        if booting:
            deadline = waiting.boots_until(paths, name, timeout)
        if deadline is None:
            continue
        try:
            since = _start(paths, name) if after == "start" else after
            done, facts = _met(Awaited(paths, name, deadline, goal[0], since), goal)
        except UserError as error:
            if error.code == "not-found":
                error.hint = ask.hint(paths, name) or error.hint
            frame.print_error("leasewatch", error)
            code = error.exit_code
        else:
            frame.print_done(f"{name} {done}", name=name, **facts)
    return code


def _met(awaited: Awaited, goal: Goal) -> tuple[str, dict[str, object]]:
    """What has happened, as half a sentence and as facts."""
    what, port = goal
    with waiting.Shown(awaited.name) as shown:
        if port:
            connection, address = ports.connect(awaited, port, shown)
            connection.close()
            return f"answers on port {port} of {address}", {"address": address, "port": port}
        found = awaited.addresses(shown)
    return ("is gone", {}) if what == "gone" else (f"has {found[0]}", {"addresses": found})


def _start(paths: Paths, name: str) -> float:
    """When the domain of that name was started, in Unix seconds."""
    state = guests.running(paths, name)
    if state is None:
        what = f'no running domain of pyvirt is called "{name}": --after=start needs one'
        raise UserError(what, f"sudo pyvirt domain start {name}", "not-running")
    return float(state["started"])
