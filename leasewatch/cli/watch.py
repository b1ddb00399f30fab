"""`leasewatch watch`: what becomes of leases and names, one line for each event as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from leasewatch.api import client
from leasewatch.api.interface import MonitorReply
from leasewatch.cli import follow, words
from leasewatch.paths import Paths
from nss_pyvirt.terminal import commands, frame, show
from nss_pyvirt.terminal.commands import Param

_EVIDENT: Final = {"published", "unnamed"}
"""States that need no reason."""


@commands.command(
    Param(
        "--since",
        kind=commands.whole_number(0, 2**63 - 1),
        metavar="NUMBER",
        help="Begin with the events after the one with this number, if the service still has them.",
    ),
    commands.output(
        "table", "jsonl", help="table: events, for people; jsonl: JSON lines, for programs."
    ),
    epilog=frame.examples(
        "leasewatch watch",
        "leasewatch watch -o jsonl | jq --unbuffered 'select(.event == \"added\")'",
        "leasewatch history --follow   the history's last events, and new ones",
    ),
)
def command(paths: Paths, since: int | None, output: Literal["table", "jsonl"]) -> None:
    """Print a line for each event of a lease or name, until Ctrl-C.

    \b
    added     a lease, a neighbour or a running domain is there
    changed   its name, state or machine has changed
    renewed   only its times have changed
    removed   it is gone; the line says why

    JSON lines begin with a `snapshot` line for all that is there, and a line `synced`. Each line
    has the `number` of the last event so far. After a restart of the service it goes on, and
    says so on stderr; then JSON lines begin with a snapshot again. With --since, a line `resumed`
    and the missed events come instead of the snapshot, if the service still has them.
    """  # noqa: D301  click means the character
    number = since

    def some() -> Iterator[None]:
        nonlocal number
        asked = number
        for reply in client.monitor(paths.varlink, asked):
            if output == "jsonl":
                follow.print_json(_row(reply))
            else:
                _print(reply, asked=asked)
            number = reply.number
            yield

    follow.follow(some)


def _print(reply: MonitorReply, *, asked: int | None) -> None:
    """A line for people; they want no snapshot."""
    if reply.kind == "synced":
        known = "waiting for events; Ctrl-C ends it"
        missed = "earlier events are in leasewatch history"
        frame.print_note("leasewatch", known if asked is None else missed)
    elif reply.kind not in {"snapshot", "resumed"} and reply.entry is not None:
        row, entry = _row(reply), reply.entry
        if entry.address is not None:
            row["address"] = show.address(entry.address, entry.ifindex)
        gone = reply.kind == "removed"
        if gone and entry.verdict == "pending":
            return  # the line with its address has just been printed
        row["why"] = entry.verdict if entry.verdict in _EVIDENT else entry.reason
        if entry.verdict not in _EVIDENT and not gone:
            row["why"] = f"{entry.verdict}: {entry.reason}"
        follow.print_line(row)


def _row(reply: MonitorReply) -> dict[str, Any]:
    """The reply and its entry as one object, in the words of `leasewatch list`."""
    event: dict[str, Any] = {
        "number": reply.number,
        "event": reply.kind,
        "time": reply.time,
    }
    if reply.entry is not None:
        event |= words.row(msgspec.structs.asdict(reply.entry))
        event |= {"first_seen": reply.first_seen, "renewed": reply.renewed}
    return event
