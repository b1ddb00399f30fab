"""`leasewatch sources`: where leases come from, and what is wrong there."""

from __future__ import annotations

import time

import msgspec

from leasewatch.api import client as varlink_client
from leasewatch.api.interface import SourceEntry
from leasewatch.paths import Paths
from nss_pyvirt.terminal import commands, frame, show

_COLUMNS = ("source", "state", "network", "leases", "age", "path", "error")
_WIDE = {"network": 90, "leases": 100, "age": 110}
"""The least width of a terminal that shows these."""
_CSV = tuple("modified" if column == "age" else column for column in _COLUMNS)


@commands.command(
    *commands.rows(*_COLUMNS, "modified", "hint"),
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

    AGE is how long ago the file was written; JSON and CSV give the time in Unix
    seconds. ERROR is what is wrong in the file now; a lease with an omitted field
    still counts. Needs the running service, which can read files that you may not.
    """  # noqa: D301  click means the character
    entries = varlink_client.sources(paths.varlink).sources
    if output == "json":
        rows: list[dict[str, object]] = [msgspec.structs.asdict(entry) for entry in entries]
    else:
        now = time.time()
        rows = [_row(entry, now) for entry in entries]
    columns = _CSV if output == "csv" else _COLUMNS
    frame.write(frame.render(rows, columns, output, name="path", wide=_WIDE))


def _row(entry: SourceEntry, now: float) -> dict[str, object]:
    error = "; ".join(part for part in (entry.error, entry.hint) if part)
    return {
        "source": entry.source,
        "state": entry.state,
        "network": entry.network,
        "leases": entry.leases,
        "modified": entry.modified,
        "age": show.age(entry.modified, now) if entry.modified is not None else None,
        "path": entry.path,
        "error": error or None,
    }
