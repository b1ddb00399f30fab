"""Which networks a domain can be started on: those whose process lives."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from leasewatch.model import NetworkState
from leasewatch.paths import Paths
from leasewatch.pyvirt.files import NetworkFiles, started_network
from nss_pyvirt.errors import UserError
from tests.leasewatch.holding import holding


@pytest.fixture
def files(tmp_path: Path) -> NetworkFiles:
    """Of a network whose run state a process has left; its pid is a living one's."""
    made = NetworkFiles(Paths(tmp_path), "lab")
    made.run.mkdir(parents=True)
    state = NetworkState(
        name="lab",
        bridge="pv-lab",
        suffix="internal",
        lease_file=str(made.leases),
        subnets=("10.77.0.0/24",),
        pid=os.getpid(),
        started=1.0,
    )
    made.state.write_bytes(msgspec.json.encode(state))
    return made


def refused(files: NetworkFiles) -> str:
    with pytest.raises(UserError) as caught:
        started_network(files.paths, "lab")
    assert caught.value.hint == "sudo pyvirt network start lab"
    return caught.value.what


def test_one_whose_process_holds_it_is_started(files: NetworkFiles) -> None:
    with holding(files.lock):
        assert started_network(files.paths, "lab").bridge == "pv-lab"


def test_one_without_a_run_state_is_not(files: NetworkFiles) -> None:
    files.state.unlink()
    with holding(files.lock):
        assert refused(files) == "network lab is not started"


def test_a_network_whose_process_was_killed_is_not_started(files: NetworkFiles) -> None:
    """The lock's file, none, or no folder; the pid of the run state may be another's by now."""
    said = "network lab is no longer started: its process was killed"
    with holding(files.lock) as killed:
        killed.kill()
        killed.wait(30)
        assert files.lock.exists()
        assert refused(files) == said
    files.lock.unlink()
    assert refused(files) == said
    files.run.rmdir()
    assert refused(files) == said
