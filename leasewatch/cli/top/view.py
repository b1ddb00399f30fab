"""What the user chose to see: filter, order, network and place. Pure: keys in, a view out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from leasewatch import addresses
from leasewatch.api.interface import Entry
from leasewatch.cli.top.state import Row, State
from nss_pyvirt.terminal import show

ORDERS: Final = ("age", "name", "address", "left", "lag")
PAGE: Final = 10
_ESCAPES: Final = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
}
_CONTROLS: Final = {"\r": "enter", "\n": "enter", "\x7f": "back", "\b": "back", "\x1b": "escape"}
_MOVES: Final = {
    "up": -1,
    "k": -1,
    "down": 1,
    "j": 1,
    "page up": -PAGE,
    "b": -PAGE,
    "page down": PAGE,
    " ": PAGE,
}


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One way to look at a state."""

    order: str = ORDERS[0]
    reverse: bool = False
    network: str | None = None
    """None: all."""
    filter: str = ""
    """Part of a name, an address, a MAC or a state; upper and lower case are equal."""
    is_typing: bool = False
    """Whether keys go into the filter."""
    offset: int = 0
    """How many lines of the list are scrolled off."""


def keys(data: bytes) -> list[str]:
    """The keys of what a terminal sent: characters, or words such as `up`; others are ignored."""
    found = []
    while data:
        known = next((escape for escape in _ESCAPES if data.startswith(escape)), None)
        if known:
            found.append(_ESCAPES[known])
            data = data[len(known) :]
        elif data[:2] in {b"\x1b[", b"\x1bO"}:  # a key that we do not know, up to its last letter
            data = data[2:].lstrip(b"0123456789;")[1:]
        else:
            text = data.decode(errors="ignore")
            first = text[:1]
            found.append(_CONTROLS.get(first, first))
            data = text[1:].encode()
    return [key for key in found if key.isprintable() and key]


def press(view: View, key: str, networks: Sequence[str]) -> View | None:
    """The view after a key; None: the user wants to leave."""
    if view.is_typing:
        return _typed(view, key)
    if key == "q":
        return None
    if key in _MOVES:
        return _but(view, offset=max(0, view.offset + _MOVES[key]))
    changes: dict[str, Callable[[], dict[str, Any]]] = {
        "/": lambda: {"is_typing": True},
        "escape": lambda: {"filter": "", "network": None},
        "s": lambda: {"order": ORDERS[(ORDERS.index(view.order) + 1) % len(ORDERS)]},
        "r": lambda: {"reverse": not view.reverse},
        "n": lambda: {"network": _next(view.network, networks)},
    }
    return _but(view, **({"offset": 0} | changes[key]())) if key in changes else view


def chosen(state: State, view: View) -> dict[str, list[Row]]:
    """The rows to show of each network, in order, and each guest's together.

    A network without any is there only if all are shown.
    """
    found: dict[str, list[Row]] = {}
    if not view.filter:
        found = {name: [] for name in state.networks() if view.network in {None, name}}
    for row in state.rows.values():
        if is_chosen(row.entry, view):
            found.setdefault(row.entry.network, []).append(row)
    ordered = sorted(found.items(), key=lambda pair: show.natural(pair[0]))
    return {network: _in_order(rows, view) for network, rows in ordered}


def is_chosen(entry: Entry, view: View) -> bool:
    """Whether the network and the filter let it through."""
    if view.network not in {None, entry.network}:
        return False
    searched = filter(None, (entry.name, entry.address, entry.mac, entry.verdict))
    return view.filter.lower() in "\n".join(searched).lower()


def _in_order(rows: Sequence[Row], view: View) -> list[Row]:
    """A guest counts as its first row in this order; its own are by address, IPv4 first."""
    order = _ORDER[view.order]
    guests: dict[str | None, list[Row]] = {}
    for row in sorted(rows, key=_by_address):
        guests.setdefault(row.entry.name or row.entry.address, []).append(row)

    def key(own: list[Row]) -> tuple[Any, ...]:
        name = own[0].entry.name
        return min(map(order, own)), name is None, show.natural(name or "")

    return [row for own in sorted(guests.values(), key=key, reverse=view.reverse) for row in own]


def _but(view: View, **changes: Any) -> View:
    return msgspec.structs.replace(view, **changes)


def _typed(view: View, key: str) -> View:
    if key in {"enter", "escape"}:
        return _but(view, is_typing=False, filter="" if key == "escape" else view.filter)
    if key == "back":
        return _but(view, filter=view.filter[:-1], offset=0)
    return _but(view, filter=view.filter + key, offset=0) if len(key) == 1 else view


def _next(network: str | None, networks: Sequence[str]) -> str | None:
    """The network after this one; None, all of them, comes after the last."""
    each = [None, *networks]
    return each[(each.index(network) + 1) % len(each)] if network in each else None


def _by_address(row: Row) -> tuple[Any, ...]:
    packed = addresses.parse(row.entry.address) if row.entry.address else b""
    return len(packed), packed


_ORDER: Final[dict[str, Callable[[Row], tuple[Any, ...]]]] = {
    "age": lambda row: (-(row.since or -math.inf),),
    "name": lambda _: (),  # the guest's own
    "address": _by_address,
    "left": lambda row: (row.entry.expires or math.inf,),
    "lag": lambda row: (-(row.lag or 0.0),),
}
