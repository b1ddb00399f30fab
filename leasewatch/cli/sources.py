"""`leasewatch sources`: where leases and other hosts' names come from, and what is wrong there."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec

from leasewatch.api import client as varlink_client
from leasewatch.api.dns_interface import PeerEntry
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame, show

_COLUMNS = ("source", "state", "network", "leases", "age", "path", "error")
_PEERS_COLUMNS = ("source", "state", "network", "leases", "serial", "age", "path", "error")
"""Where there are peers."""
_WIDE = {"network": 90, "leases": 100, "age": 110}
"""The least width of a terminal that shows these."""


@commands.command(
    *commands.rows(*_PEERS_COLUMNS, "modified", "hint"),
    epilog=frame.examples(
        "leasewatch sources",
        "leasewatch sources -o json | jq '.[] | select(.error)'",
    ),
)
def command(paths: Paths, output: frame.Format) -> None:
    """List where leases come from, and what is wrong there.

    There is a row for each lease file, and for each kind of server that has none.

    \b
    watched     leasewatch follows the file
    unreadable  ERROR says why
    absent      there is no such file
    off         [sources] in leasewatch.toml disables it

    Another host of the site ([dns] pull) is a row, too: its zone as PATH, the number
    of its names, its SERIAL, and as AGE how long ago it answered.

    AGE is how long ago the file was written; JSON and CSV give the time in Unix
    seconds. ERROR is what is wrong in the file now; a lease with an omitted field
    still counts. Needs the running service, which can read files that you may not.
    """  # noqa: D301  click means the character
    entries = varlink_client.sources(paths.varlink).sources
    rows: list[dict[str, object]] = [msgspec.structs.asdict(entry) for entry in entries]
    peers = _peers(paths)
    if peers:
        rows = [row | {"serial": None} for row in rows] + peers
    columns: tuple[str, ...] = _PEERS_COLUMNS if peers else _COLUMNS
    if output == "csv":
        columns = tuple("modified" if column == "age" else column for column in columns)
    if output != "json":
        now = time.time()
        rows = [_row(row, now) for row in rows]
    frame.write(frame.render(rows, columns, output, name="path", wide=_WIDE))


def _peers(paths: Paths) -> list[dict[str, object]]:
    """A row for each peer, in the same words; none without the DNS process."""
    if not paths.dns_varlink.exists():
        return []
    from leasewatch.cli.dns import status  # noqa: PLC0415  start-up time

    try:
        found = status.ask(paths).peers
    except UserError as error:
        frame.print_warning("leasewatch", error)
        return []
    return [_peer(peer) for peer in found]


def _peer(peer: PeerEntry) -> dict[str, object]:
    left_out = [f"{one} does not answer alone: {why}" for one, _, why in map(_parts, peer.left_out)]
    return {
        "source": "peer",
        "state": "watched" if peer.serial is not None else "unreadable",
        "path": peer.zone,
        "network": peer.host,
        "leases": peer.names,
        "modified": peer.checked,
        "error": "; ".join(filter(None, [peer.error, *left_out[:1]])) or None,
        "hint": peer.hint,
        "serial": peer.serial,
    }


def _parts(line: str) -> tuple[str, str, str]:
    return line.partition(": ")


def _row(fields: Mapping[str, object], now: float) -> dict[str, object]:
    """For a table or CSV."""
    modified = fields["modified"]
    error = "; ".join(str(fields[key]) for key in ("error", "hint") if fields[key])
    age = show.age(modified, now) if isinstance(modified, float) else None
    return {**fields, "age": age, "error": error or None}
