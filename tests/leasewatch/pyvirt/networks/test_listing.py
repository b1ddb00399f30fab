"""The rows of `network list`: what is kept of definitions, and what run states say."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from leasewatch.daemon import alive
from leasewatch.model import NetworkState
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import kept_rows, store
from leasewatch.pyvirt.defined.network import Network, Reservation
from leasewatch.pyvirt.files import NetworkFiles
from leasewatch.pyvirt.networks.known import KnownNetworks
from leasewatch.pyvirt.networks.listing import KEYS, Listing

PRINTER = Reservation(name="printer", mac="52:54:00:00:00:09", address="10.77.0.3")
LAB = Network(name="lab", subnet="10.77.0.0/29", subnet6="fd00:1:2::/64", reserved=(PRINTER,))


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A root with a network lab; files count as settled at once, and root calls."""
    monkeypatch.setattr(kept_rows, "SETTLED", -60.0)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    made = Paths(tmp_path)
    store.write(made.network_definitions, LAB)
    return made


def listed(paths: Paths) -> list[dict[str, Any]]:
    """The rows of one `network list`."""
    made = Listing(paths)
    rows = [made.describe(name) for name in made.names()]
    made.keep()
    return rows


def started(paths: Paths, **changes: object) -> str:
    """The state of lab with a run state of this process that differs in `changes`."""
    pid, born = os.getpid(), alive.born(os.getpid())
    files = NetworkFiles(paths, "lab")
    state = NetworkState(
        name="lab",
        bridge="pv-lab",
        suffix="internal",
        lease_file=str(files.leases),
        subnets=(LAB.subnet, LAB.subnet6),
        started=5.0,
        pid=pid,
        born=born,
        dnsmasq_pid=pid,
        dnsmasq_born=born,
    )
    files.state.parent.mkdir(parents=True, exist_ok=True)
    files.state.write_bytes(msgspec.json.encode(msgspec.structs.replace(state, **changes)))
    return Listing(paths).state("lab")


def test_a_row_that_was_kept_is_the_same_as_the_first_one(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = listed(paths)
    assert tuple(first) == KEYS
    assert (first["state"], first["mode"], first["bridge"]) == ("stopped", "nat", "pv-lab")
    assert first["reserved"] == ["printer 52:54:00:00:00:09 10.77.0.3"]
    monkeypatch.setattr(KnownNetworks, "row", None)
    assert listed(paths) == [first]


def test_a_definition_that_has_changed_is_read_again(paths: Paths) -> None:
    listed(paths)
    store.write(paths.network_definitions, msgspec.structs.replace(LAB, suffix="lab.test"))
    assert [row["suffix"] for row in listed(paths)] == ["lab.test"]


def test_a_network_has_the_state_of_its_processes(paths: Paths) -> None:
    assert Listing(paths).state("lab") == "stopped"
    assert started(paths) == "started"
    assert started(paths, born=1) == "stopped"  # another process has the pid
    assert started(paths, dnsmasq_born=1) == "no dnsmasq"
    assert started(paths, dnsmasq_pid=0) == "no dnsmasq"


def test_a_bridged_network_has_the_state_of_its_bridge(paths: Paths) -> None:
    (_, there), *_ = socket.if_nameindex()
    assert started(paths, lease_file="", subnets=(), bridge=there) == "started"
    assert started(paths, lease_file="", subnets=(), bridge="no-such-bridge") == "no bridge"


def test_a_network_without_a_free_address_says_so(paths: Paths) -> None:
    leases = NetworkFiles(paths, "lab").leases
    leases.parent.mkdir(parents=True)
    lines = [f"9 52:54:00:00:00:{n:02x} 10.77.0.{n} * *\n" for n in (2, 4, 5, 6)]
    leases.write_text("".join(lines[:3]))
    assert started(paths) == "started"
    leases.write_text("".join(lines))
    assert started(paths) == "no address left"
