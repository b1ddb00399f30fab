"""The path of a lease through the code is counted, so that it stays short."""

from __future__ import annotations

import subprocess
import sys

from tests.count_path import CHECKOUT, GOAL


def test_one_lease_is_followed_from_its_file_to_the_table_and_the_history() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.count_path", "--list"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = {line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines()[:3]}
    assert list(figures) == list(GOAL)
    assert min(figures.values()) > 0
    for passed in ("sources/dnsmasq.py parse_line", "LeaseTracker.observe", "Publisher.publish"):
        assert passed in done.stdout
    assert "leasewatch.model.Lease\n" in done.stdout
