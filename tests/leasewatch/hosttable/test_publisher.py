"""The table that is published: what a faulty record, or a name that two have, costs the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasewatch.hosttable.publisher import LostName, Publisher
from leasewatch.model import HostAddress, HostRecord, Trust
from nss_pyvirt import snapshot

LATER = 4_000_000_000


def record(trust: Trust, number: int, *names: str) -> HostRecord:
    address = HostAddress(address=bytes([10, 0, 0, number]), expires=LATER, network="lab")
    return HostRecord(names=names, addresses=(address,), trust=trust)


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "hosts.v1")


def published(tmp_path: Path) -> dict[str, int]:
    """The last byte of the address that each name has."""
    hosts = snapshot.read(tmp_path / "hosts.v1").hosts
    return {name: host.addresses[0].packed[-1] for host in hosts for name in host.names}


HOSTS = (
    (record("guest", 1, "a", "x.lab.internal"), record("guest", 2, "a.dmz.internal")),
    (record("owner", 3, "b", "b.lab.internal"), record("owner", 4, "x.lab.internal")),
    (record("owner", 5, "c", "b"),),
    (record("guest", 6, "d", "a.dmz.internal", "d.dmz.internal"),),
)


def test_a_name_that_two_hosts_have_costs_the_later_host_that_name_alone(
    publisher: Publisher, tmp_path: Path
) -> None:
    for records in HOSTS:
        publisher.set(records[0].names[0], records, 1)
    assert set(publisher.publish(1, 0)) == {
        LostName("x.lab.internal", "x.lab.internal", "a"),
        LostName("b", "c", "b"),
        LostName("a.dmz.internal", "a.dmz.internal", "d"),
    }
    assert published(tmp_path) == {
        "a": 1,
        "x.lab.internal": 1,
        "b": 3,
        "b.lab.internal": 3,
        "c": 5,
        "d": 6,
        "a.dmz.internal": 6,
        "d.dmz.internal": 6,
    }
    publisher.set("b", (), 2)
    assert publisher.publish(2, 0) == [LostName("a.dmz.internal", "a.dmz.internal", "d")]
    assert published(tmp_path)["b"] == 5


def test_a_record_that_does_not_fit_leaves_what_was_there(
    publisher: Publisher, tmp_path: Path
) -> None:
    former = (record("owner", 1, "a", "a.lab.internal"), record("owner", 2, "a.dmz.internal"))
    publisher.set("a", former, 1)
    with pytest.raises(ValueError, match="has a name twice"):
        publisher.set("a", (record("owner", 3, "a"), record("owner", 4, "b", "b")), 1)
    publisher.publish(1, 0)
    assert published(tmp_path) == {"a": 1, "a.lab.internal": 1, "a.dmz.internal": 2}
