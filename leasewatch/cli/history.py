"""`leasewatch history`: who held which address when, and what happened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NoReturn

import msgspec

from leasewatch.cli import ask, since, words
from leasewatch.history.rows import MAX_ROWS, HistoryParameters
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame, show
from nss_pyvirt.terminal.commands import Param

_HOLDINGS = ("name", "network", "address", "mac", "since", "until", "state")
_EVENTS = ("time", "event", "name", "network", "address", "mac", "why")
_MORE = ("claim", "domain", "hostname", "client_id", "from", "expires", "seq")
_HOLDINGS_WIDE = {"network": 80, "until": 100, "mac": 130}
_EVENTS_WIDE = {"network": 100, "mac": 130}
"""The least width of a terminal that shows these."""
_LATE_SECONDS = 120
"""The most that an event is written after it has happened, generously."""


def _moment(text: str) -> float:
    """Unix seconds; raises ValueError."""
    try:
        return since.moment(text, time.time())
    except ValueError as error:
        raise ValueError(f'"{text}": {error}') from None


@commands.command(
    Param("query", metavar="[NAME|ADDRESS|MAC]", complete=ask.complete_name),
    Param(
        "--since",
        name="then",
        kind=_moment,
        metavar="WHEN",
        help="Show only what was still there after that time: 2h, 3d, today, yesterday, 14:30, "
        "2026-11-26, 2026-11-26T14:30.",
    ),
    Param("--events", flag=True, help="Show what happened, one event per row."),
    Param("-f", "--follow", flag=True, help="Show the last events, and new ones as they come."),
    Param(
        "-n",
        "--limit",
        metavar="NUMBER",
        kind=commands.whole_number(1, MAX_ROWS),
        help="Show only the newest rows; default: 10000, with --follow: 10.",
    ),
    *commands.rows(*dict.fromkeys((*_HOLDINGS, *_EVENTS, *_MORE))),
    epilog=frame.examples(
        "leasewatch history 10.77.0.12                     who had it, and when",
        "leasewatch history web1 --since yesterday",
        "leasewatch history 52:54:00:12:34:56 --since 2026-11-01",
        "leasewatch history --events --since 2h            what happened",
        "leasewatch history --follow                       the last and new events",
        "leasewatch history --events -o json | jq '.[] | select(.event == \"refused\")'",
    ),
)
def command(
    paths: Paths,
    query: str | None,
    then: float | None,
    limit: int | None,
    output: frame.Format,
    *,
    events: bool,
    follow: bool,
) -> None:
    """Show who had which address when, the newest last.

    A row is the time that one client had one address. STATE says how it ended:

    \b
    holds      it has the address now
    expired    the lease expired
    released   the lease was given back before it expired
    renamed    the guest changed its hostname
    replaced   another client, or a lease, has the address
    withdrawn  the lease file is no longer watched
    missed     the lease was gone when leasewatch looked again
    gone       no lease: its domain ended, or another machine or none answers
    quiet      no lease: not seen for a day, or its bridge went

    A failed claim to a name follows the state. JSON and CSV give times in Unix
    seconds. Exits with 3 if nothing is known.
    """  # noqa: D301  click means the character
    if follow:
        _follow(paths, HistoryParameters(query=query, since=then, limit=limit or 10), output)
    limit = limit or 10_000
    asked = HistoryParameters(query=query, since=then, limit=min(limit + 1, MAX_ROWS))
    found = ask.history(paths, asked, events=events)
    if not found:
        raise _nothing(query, then)
    if len(found) > limit:
        found = found[:limit]
        what = f"showing the newest {limit}; use --limit for more"
        frame.print_warning("leasewatch", UserError(what, code="incomplete"))
    rows = [words.row(msgspec.structs.asdict(row)) for row in reversed(found)]
    if output == "name":
        names = dict.fromkeys(row["name"] for row in rows if row["name"] is not None)
        rows = [{"name": name} for name in names]
    elif output == "table":
        rows = [_shown(row) for row in rows]
    more = output == "csv"
    columns = (*["seq"] * more, *_EVENTS) if events else (*_HOLDINGS, *["claim"] * more)
    wide = _EVENTS_WIDE if events else _HOLDINGS_WIDE
    frame.write(frame.render(rows, columns, output, name="name", wide=wide))


def _follow(paths: Paths, asked: HistoryParameters, output: frame.Format) -> NoReturn:
    """Print events as they come. Some are written late, and have the time when they happened."""
    from leasewatch.api import client  # noqa: PLC0415  start-up time
    from leasewatch.cli import follow  # noqa: PLC0415

    lines = commands.Command.rows.are_lines
    if output != "table" and not lines:
        raise UserError("--follow prints a table or -o jsonl", code="usage", exit_code=2)
    last = 0

    def some() -> Iterator[None]:
        nonlocal asked, last
        now = time.time()
        for event in reversed(client.events(paths.varlink, asked).events):
            if event.seq > last:
                row = words.row(msgspec.structs.asdict(event))
                (follow.print_json if lines else follow.print_line)(row)
                last = event.seq
        asked = HistoryParameters(query=asked.query, since=now - _LATE_SECONDS)
        yield
        time.sleep(follow.RETRY_SECONDS)

    follow.follow(some)


def _nothing(query: str | None, then: float | None) -> UserError:
    """The error if nothing is known of `query`, or at all, since `then`."""
    what = "nothing has happened" if query is None else f'nothing is known of "{query}"'
    if then is not None:
        hint = "omit --since to look further back"
        return UserError(f"{what} since then", hint, "not-found", exit_code=3)
    if query is None:
        return UserError(f"{what} yet", code="not-found", exit_code=3)
    return UserError(what, "leasewatch history shows everything", "not-found", exit_code=3)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row for people: local times, and a failed claim behind the state."""
    times = {key: row[key] for key in ("time", "since", "until") if row.get(key) is not None}
    row |= {key: show.moment(then) for key, then in times.items()}
    if row.get("claim"):
        row["state"] += f"; {row['claim']}"
    return row
