"""A host without a service, for each test."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from leasewatch.model import DomainState, NetworkState, Nic
from leasewatch.paths import Paths
from tests.leasewatch.cli.asking import HOSTS, LEASES, publish


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A host with network lab, domain web1, a published table, and no service."""
    paths = Paths(root=tmp_path)
    for folder in (paths.network_runs, paths.domain_runs, paths.service_run, paths.leases):
        folder.mkdir(parents=True)
    leases = paths.leases / "lab.leases"
    leases.write_text(LEASES)
    network = NetworkState(
        name="lab", bridge="pv-lab", suffix="internal", lease_file=str(leases),
        subnets=("10.77.0.0/24",), pid=1, started=0,
    )  # fmt: skip
    (paths.network_runs / "lab.json").write_bytes(msgspec.json.encode(network))
    domain = DomainState(
        name="web1", nics=(Nic("lab", "52:54:00:00:00:05"),), pid=1, started=0, pending_until=0
    )
    (paths.domain_runs / "web1.json").write_bytes(msgspec.json.encode(domain))
    publish(paths, HOSTS)
    return paths
