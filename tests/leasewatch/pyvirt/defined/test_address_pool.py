"""When a network has no address left for one more guest."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.address_pool import is_full
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.files import NetworkFiles

LAB = "lab", "10.77.0.0/29"
"""It has five addresses for guests: .2 to .6."""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(tmp_path)
    made.leases.mkdir(parents=True)
    return made


def lease(paths: Paths, *lasts: int) -> None:
    lines = [f"9 52:54:00:00:00:{n:02x} 10.77.0.{n} * *\n" for n in lasts]
    lines += ["duid 00:01\n", "9 5 fd00:1:2::7 * 00:01\n", "torn 10.7"]
    NetworkFiles(paths, "lab").leases.write_text("".join(lines))


def reserve(paths: Paths, name: str, network: str, *lasts: int) -> None:
    nics = tuple(
        NicDefinition(network=network, mac=f"52:54:00:00:00:{n:02x}", address=f"10.77.0.{n}")
        for n in lasts
    )
    domain = DomainDefinition(name=name, nics=nics, memory=64, cpus=1, kernel="/k")
    store.write(paths.domain_definitions, domain)


@pytest.mark.parametrize(
    ("leased", "full"),
    [((), False), ((2, 3, 4, 5), False), ((2, 3, 4, 5, 6), True), ((2, 2, 3, 4, 5), False)],
)
def test_leases_of_all_addresses_leave_none(
    paths: Paths, leased: tuple[int, ...], full: bool
) -> None:
    lease(paths, *leased)
    assert is_full(paths, *LAB) is full


def test_an_address_that_is_kept_for_a_domain_is_not_left(paths: Paths) -> None:
    lease(paths, 2, 3, 4)
    reserve(paths, "web1", "lab", 5)
    assert not is_full(paths, *LAB)
    reserve(paths, "web2", "lab", 4)  # leased to it
    reserve(paths, "web3", "dmz", 6)  # on another network
    assert not is_full(paths, *LAB)
    reserve(paths, "web4", "lab", 6)
    assert is_full(paths, *LAB)


def test_without_a_lease_file_there_are_addresses(paths: Paths) -> None:
    assert not is_full(paths, *LAB)
