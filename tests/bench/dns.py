"""Names beyond this process: answers, zones, lookups through resolved, and the hosts of a site.

Each part of the issue measures its own figures; a part is a function in a file `dns_*.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click

from tests.bench import (
    dns_expiry,
    dns_hook,
    dns_primary,
    dns_server,
    dns_site,
    dns_update,
    dns_zones,
)
from tests.bench.counts import Counts
from tests.bench.table import Row, Table

PARTS: tuple[Callable[[Path, Counts], Iterable[Row]], ...] = (
    dns_hook.measure,
    dns_server.measure,
    dns_primary.measure,
    dns_site.measure,
    dns_site.measure_large,
    dns_expiry.measure,
    dns_zones.measure,
    dns_update.measure,
)
"""Each gets the folder for its files and makes rows; add yours here, and its rows to
tests/system/test_bench.py."""


def measure(folder: Path, counts: Counts) -> Table:
    """The table; `folder` takes the files of the parts. Each row is printed as it is measured."""
    rows = []
    for part in PARTS:
        for row in part(folder, counts):
            click.echo(f"  {row.what}: {row.measured}", err=True)
            rows.append(row)
    return Table("names beyond this process", rows)
