"""`leasewatch resolve NAME|ADDRESS`: what programs get, and why."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from leasewatch.api.client import NoSuchNameError
from leasewatch.api.interface import Address, Entry, ResolveReply
from leasewatch.cli import ask, words
from leasewatch.paths import Paths
from nss_pyvirt.terminal import commands, frame, show
from nss_pyvirt.terminal.commands import Param

_ANSWER = ("name", "address", "network", "from", "expires", "trust")
_CANDIDATES = ("name", "trust", "network", "address", "mac", "from", "source", "state", "reason")

_WIDE = {"network": 70, "from": 70, "trust": 90}
_CANDIDATES_WIDE = {"mac": 110, "trust": 130, "from": 130, "source": 150}
"""The least width of a terminal that shows these."""


@commands.command(
    Param("query", required=True, metavar="NAME|ADDRESS", complete=ask.complete_name),
    Param(
        "--explain",
        flag=True,
        help="List each candidate, and why it was or was not chosen.",
    ),
    *commands.rows(*dict.fromkeys((*_ANSWER, *_CANDIDATES))),
    epilog=frame.examples(
        "leasewatch resolve web1",
        "leasewatch resolve 10.77.0.12",
        "leasewatch resolve wpad --explain",
        "leasewatch resolve web1 -o json | jq -r '.addresses[0].address'",
    ),
)
def command(paths: Paths, query: str, output: frame.Format, *, explain: bool) -> None:
    """Show what NAME or ADDRESS resolves to.

    JSON is one object with the name, its aliases, addresses and all candidates. Exits with 3 if
    there is no such name or address; --explain lists refused candidates even then.
    """
    try:
        reply = ask.resolve(paths, query)
    except NoSuchNameError as error:
        if explain and error.candidates:
            _print_candidates(error.candidates, output)
            error.hint = "leasewatch list shows every lease"
        raise
    if output == "json":
        frame.write(frame.render_object(_object(reply)))
    elif explain:
        _print_candidates(reply.candidates, output)
    else:
        _print_answer(reply, output)


def _object(reply: ResolveReply) -> dict[str, object]:
    """The reply as JSON shows it."""
    shown = {key: [*map(_fields, getattr(reply, key))] for key in ("addresses", "candidates")}
    return msgspec.structs.asdict(reply) | shown


def _fields(shown: Address | Entry) -> dict[str, object]:
    return words.row(msgspec.structs.asdict(shown))


def _print_answer(reply: ResolveReply, output: frame.Format) -> None:
    now = time.time()
    shared: dict[str, object] = {"name": reply.name, "trust": reply.trust}
    rows = [
        shared
        | {
            "address": show.address(address.address, address.ifindex),
            "network": address.network,
            "from": address.origin,
            "expires": _expires(address, now) if output == "table" else address.expires,
        }
        for address in reply.addresses
    ]
    if not rows:
        rows = [shared | {"address": None, "network": None, "from": None, "expires": "not yet"}]
    rows = rows[:1] if output == "name" else rows
    frame.write(frame.render(rows, _ANSWER, output, name="name", wide=_WIDE))


def _expires(address: Address, now: float) -> str | None:
    is_unknown = address.origin is None and address.expires is None
    if address.origin == "neighbour" or is_unknown:
        return None
    return show.expiry(address.expires, now)


def _print_candidates(entries: Sequence[Entry], output: frame.Format) -> None:
    rows = [*map(_fields, entries)]
    if output != "json":
        for row, entry in zip(rows, entries, strict=True):
            row["address"] = show.address(entry.address, entry.ifindex) if entry.address else None
    frame.write(frame.render(rows, _CANDIDATES, output, name="name", wide=_CANDIDATES_WIDE))
