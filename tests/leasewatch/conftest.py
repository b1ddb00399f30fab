"""A service, a lease file or a history of its own for each test; all end with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from leasewatch.history.file import HistoryFile
from tests.leasewatch import logged
from tests.leasewatch.serving import Dnsmasq, Served


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    logged.clear()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Settings and folders; the test starts the service when it is ready for that."""
    with closing(Served(tmp_path)) as made:
        yield made


@pytest.fixture
def dnsmasq(served: Served) -> Iterator[Dnsmasq]:
    """The writer of the lease file of network `lab`, which `served` watches."""
    with closing(Dnsmasq(served.leases / "lab")) as writer:
        yield writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a history may be kept; its folder is not there yet."""
    return tmp_path / "lib" / "history.db"


@pytest.fixture
def file(path: Path) -> Iterator[HistoryFile]:
    """A history that is being written at `path`."""
    with closing(HistoryFile(path)) as opened:
        yield opened
