"""Of which networks every lease is known."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from leasewatch.leases.address_book import FirstSeen
from leasewatch.leases.lease_files import LeaseFiles
from leasewatch.model import LeaseChange, LeaseFile

LINE = "4102444800 52:54:00:00:00:01 10.0.0.5 web1 *\n"


def watched(changes: list[LeaseChange], *files: LeaseFile) -> LeaseFiles:
    made = LeaseFiles(FirstSeen())
    made.subscribe(changes.extend)
    made.watch(files)
    return made


def of(path: Path, network: str = "lab", *, kind: str = "lxc", writer_pid: int = 0) -> LeaseFile:
    return LeaseFile(
        path=str(path), network=network, suffix="internal", kind=kind, writer_pid=writer_pid
    )


@pytest.mark.parametrize(
    ("content", "writer", "known"),
    [
        pytest.param(LINE, 0, {"lab", "dmz"}, id="whole"),
        pytest.param("", 0, {"lab", "dmz"}, id="empty"),
        pytest.param(None, 0, {"dmz"}, id="not there"),
        pytest.param("what is this?\n", 0, {"dmz"}, id="not understood"),
        pytest.param(LINE, 2**22 + 1, {"dmz"}, id="its writer is dead"),
    ],
)
def test_every_lease_of_a_network_is_known_where_all_its_files_are(
    tmp_path: Path, content: str | None, writer: int, known: set[str]
) -> None:
    for name in ("other", "dmz"):
        (tmp_path / name).write_text("")
    if content is not None:
        (tmp_path / "lab").write_text(content)

    async def run() -> set[str]:
        other, dmz = of(tmp_path / "other"), of(tmp_path / "dmz", "dmz")
        files = watched([], of(tmp_path / "lab", writer_pid=writer), other, dmz)
        try:
            return files.known_networks()
        finally:
            files.stop()

    assert asyncio.run(run()) == known
