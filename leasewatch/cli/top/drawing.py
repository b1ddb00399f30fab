"""Draws a state in a view: as many lines as the terminal has, each as wide as it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from rich.text import Text

from leasewatch.api.interface import SourceEntry
from leasewatch.cli.top.state import Happened, Row, State
from leasewatch.cli.top.view import View, chosen, is_chosen
from nss_pyvirt.terminal import frame, show

_GAP: Final = "  "
_LAG: Final = 6
"""The width of LAG: `999 ms`."""
_STATE: Final = 9
"""The least width of STATE: `published`."""
_NAME, _ADDRESS = 12, 15
"""The least widths of these where both are long."""
_MAC: Final = 17
_WIDE: Final = 110
"""The least width of a terminal that shows MAC addresses, and times in two units."""
_FRAME: Final = 5
"""Lines that are neither a row nor an event."""
_STYLES: Final = {
    "published": "green",
    "pending": "yellow",
    "refused": "red",
    "conflict": "red",
    "ended": "dim",
    "expired": "dim",
}
_EVIDENT: Final = {"published", "unnamed"}
"""States that explain themselves."""


class _Columns(NamedTuple):
    """The widths that depend on the terminal and on what is shown."""

    name: int
    address: int
    mac: int
    age: int
    left: int

    def joined(self, name: str, address: str, mac: str, *times: str, state: str) -> str:
        """A line of the list; `times` are AGE, LEFT and LAG."""
        cells = [_fitted(name, self.name), _fitted(address, self.address)]
        cells += [mac.ljust(self.mac)] * bool(self.mac)
        widths = (self.age, self.left, _LAG)
        cells += [_fitted(cell, width) for cell, width in zip(times, widths, strict=True)]
        return f"{_GAP}{_GAP.join([*cells, state])}"

    def time(self, text: str) -> str:
        """A time as long as its column is wide: `6d 23h` or `6d`."""
        return text if len(text) <= self.age else text.partition(" ")[0]


def lines(state: State, view: View, *, now: float, width: int, height: int) -> list[Text]:
    """`height` lines of at most `width` cells. `now`: Unix seconds."""
    groups = chosen(state, view)
    body: list[str | Row] = []
    for network, rows in groups.items():
        body += [network, *rows]
    columns = _columns([row for rows in groups.values() for row in rows], width)
    happened = [one for one in state.events if is_chosen(one.entry, view)]
    room = max(0, height - _FRAME)
    events = min(len(happened), max(room // 3, room - len(body)))
    offset = max(0, min(view.offset, len(body) - (room - events)))
    sources = _by_network(state.sources)
    drawn = [_title(state, now, width), _status(state), _heading(columns, view, width)]
    above: str | None = None
    for item in islice(body, offset, offset + room - events):
        if isinstance(item, Row):
            name = item.entry.name
            drawn.append(_row(item, columns, now, is_first=name is None or name != above))
            above = name
        else:
            above = None
            drawn.append(_network(item, groups[item], sources.get(item, ())))
    drawn += [Text()] * (3 + room - events - len(drawn))
    drawn.append(Text("EVENTS".ljust(width), "reverse"))
    drawn += map(_event, happened[len(happened) - events :])
    drawn = [*drawn[: max(0, height - 1)], _foot(view)][:height]
    for line in drawn:
        line.truncate(width, overflow="ellipsis")
    return drawn


def _columns(rows: Sequence[Row], width: int) -> _Columns:
    """Of a long name and a long address the address is shown whole first."""
    mac, age, left = (_MAC, 7, 7) if width >= _WIDE else (0, 4, 5)
    fixed = (age, left, _LAG, _STATE, *[mac] * bool(mac))
    room = width - sum(fixed) - len(_GAP) * (len(fixed) + 2)
    name = max((len(_printable(row.entry.name)) for row in rows), default=0)
    address = max((len(row.entry.address or "") for row in rows), default=0)
    address = max(min(address, room - min(name, _NAME)), min(_ADDRESS, room // 2))
    return _Columns(max(5, min(name, room - address)), max(8, address), mac, age, left)


def _title(state: State, now: float, width: int) -> Text:
    names = {row.entry.name for row in state.rows.values() if row.entry.verdict == "published"}
    counts = [
        _count(len(state.networks()), "network"),
        _count(len(names), "name"),
        _count(sum(row.entry.address is not None for row in state.rows.values()), "address"),
    ]
    left = f"leasewatch top   {', '.join(counts)}"
    clock = show.moment(now).partition(" ")[2]
    return Text(f"{left.ljust(width - len(clock) - 1)} {clock}", "bold")


def _status(state: State) -> Text:
    if state.fault:
        return Text(_printable(state.fault), "bold red")
    lags = state.lags()
    if lags is None:
        return Text(f"live, {_count(state.count, 'event')}", "dim")
    last, middle, most = map(_lag, lags)
    said = f"lease to name: last {last}, median {middle}, longest {most}"
    return Text(f"live, {_count(state.count, 'event')}   {said}", "dim")


def _heading(columns: _Columns, view: View, width: int) -> Text:
    mark = "^" if view.reverse else "*"
    heads = ("NAME", "ADDRESS", "MAC", "AGE", "LEFT", "LAG")
    marked = [head + mark * (head.lower() == view.order) for head in heads]
    return Text(columns.joined(*marked, state="STATE").ljust(width), "reverse")


def _network(name: str, rows: Sequence[Row], sources: Iterable[SourceEntry]) -> Text:
    """A network, its numbers, and where its leases are from or what is wrong there."""
    text = Text(_printable(name), "bold")
    names = {row.entry.name for row in rows if row.entry.name}
    addresses = sum(row.entry.address is not None for row in rows)
    text.append(f"  {_count(len(names), 'name')}, {_count(addresses, 'address')}", "dim")
    for source in sources:
        if source.error:
            text.append(f"  {source.state}: {_printable(source.error)}", "red")
        elif source.path:
            text.append(f"  {_printable(source.path)}", "dim")
    return text


def _row(row: Row, columns: _Columns, now: float, *, is_first: bool) -> Text:
    """`is_first`: its name is not already on the line above."""
    entry, verdict = row.entry, row.entry.verdict
    is_evident = verdict in _EVIDENT or not entry.reason
    left = show.expiry(entry.expires, now) if entry.origin == "lease" else "-"
    text = columns.joined(
        _printable(entry.name) if is_first else "",
        _printable(entry.address),
        _printable(entry.mac),
        columns.time(show.age(row.since, now)) if row.since is not None else "-",
        "seen" if entry.origin == "neighbour" else columns.time(left),
        "-" if row.lag is None else _lag(row.lag),
        state=verdict if is_evident else f"{verdict}: {_printable(entry.reason)}",
    )
    return Text(text, _STYLES.get(verdict, ""))


def _event(event: Happened) -> Text:
    reply, entry = event.reply, event.entry
    clock = show.moment(reply.time).partition(" ")[2]
    said = entry.verdict if entry.verdict in _EVIDENT else f"{entry.verdict}: {entry.reason}"
    if reply.kind == "removed":
        said = entry.reason
    elif event.lag is not None:
        said = f"{said} in {_lag(event.lag)}"
    words = (entry.name, entry.address, entry.network)
    middle = " ".join(_printable(word) for word in words if word)
    style = "red" if reply.kind == "removed" else _STYLES.get(entry.verdict, "")
    return Text(f"{clock}  {reply.kind:8} {middle}  {_printable(said)}", style)


def _foot(view: View) -> Text:
    if view.is_typing:
        return Text(f"filter: {_printable(view.filter)}_   enter keep   esc clear", "bold")
    chosen_filter = f": {_printable(view.filter)}" if view.filter else ""
    keys = [
        *("q quit", f"/ filter{chosen_filter}", f"s sort: {view.order}", "r reverse"),
        *(f"n network: {_printable(view.network) if view.network else 'all'}", "j k scroll"),
    ]
    return Text("   ".join(keys), "dim")


def _by_network(sources: Iterable[SourceEntry]) -> Mapping[str, list[SourceEntry]]:
    found: dict[str, list[SourceEntry]] = {}
    for source in sources:
        if source.network and source.path:
            found.setdefault(source.network, []).append(source)
    return found


def _printable(text: str | None) -> str:
    return frame.printable(text) if text else "-"


def _fitted(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else f"{text[: width - 1]}…"


def _count(number: int, word: str) -> str:
    plural = "es" if word.endswith("s") else "s"
    return f"{number} {word}{plural * (number != 1)}"


def _lag(seconds: float) -> str:
    if seconds < 0.001:
        return "<1 ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
