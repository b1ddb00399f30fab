"""Who is at a bridge: each address belongs to the card whose MAC the host has seen."""

from __future__ import annotations

from leasewatch import addresses
from leasewatch.model import DomainState, Lease, Nic
from leasewatch.neighbours.table import FAILED, REACHABLE, STALE, Sighting
from leasewatch.pyvirt.networks.attached import Attached, Held, Port, attached

WEB, DB, OTHER = (f"52:54:00:00:00:0{number}" for number in (1, 2, 9))


def domain(name: str, mac: str, tap: str) -> tuple[DomainState, Nic]:
    nic = Nic("lab", mac, tap)
    return DomainState(name=name, nics=(nic,), pid=1, started=1, pending_until=0), nic


OWNERS = {"pvtap10": domain("web1", WEB, "pvtap10"), "pvtap2": domain("db", DB, "pvtap2")}


def lease(address: str, mac: str | None, hostname: str | None = None, expires: int = 0) -> Lease:
    return Lease(
        source="/l",
        network="lab",
        address=addresses.parse(address),
        expires=expires,
        hwaddr=mac,
        hostname=hostname,
    )


def sighting(address: str, mac: str, state: int = REACHABLE) -> Sighting:
    return Sighting(7, addresses.parse(address), state, mac, 0.0)


def held(port: str, leases: list[Lease], seen: list[Sighting]) -> list[str]:
    found = attached(OWNERS, OWNERS, leases, seen)
    return [one.address for p in found.ports if p.port == port for one in p.held]


def test_ports_come_in_their_order_with_guest_and_addresses() -> None:
    found = attached(
        ["pvtap10", "eth1", "pvtap2"],
        OWNERS,
        [lease("10.77.0.9", WEB, "web", 99), lease("10.77.0.40", OTHER)],
        [],
    )
    assert found == Attached(
        ports=[
            Port("eth1", None, None, []),
            Port("pvtap2", "db", DB, []),
            Port("pvtap10", "web1", WEB, [Held("10.77.0.9", WEB, "web", 99, is_leased=True)]),
        ],
        others=[Held("10.77.0.40", OTHER, None, None, is_leased=True)],
    )
    first, *_ = found.rows()["others"]
    assert first == {
        "address": "10.77.0.40",
        "mac": OTHER,
        "hostname": None,
        "expires": None,
        "from": "lease",
    }


def test_a_dhcpv6_lease_belongs_to_the_card_that_the_bridge_saw() -> None:
    assert held("pvtap2", [lease("fd12::9", None)], [sighting("fd12::9", DB)]) == ["fd12::9"]
    assert held("pvtap2", [lease("fd12::9", None)], []) == []


def test_an_address_without_a_lease_counts_if_the_bridge_saw_it() -> None:
    for state in (REACHABLE, STALE):
        assert held("pvtap2", [], [sighting("10.77.0.5", DB, state)]) == ["10.77.0.5"]
    for unproven in (
        sighting("10.77.0.5", DB, FAILED),
        sighting("10.77.0.5", ""),
        sighting("fe80::1", DB),
    ):
        assert held("pvtap2", [], [unproven]) == []


def test_ipv4_comes_first_and_a_lease_counts_for_more_than_a_sight() -> None:
    leases = [lease("10.77.0.20", DB), lease("10.77.0.3", DB)]
    seen = [sighting("fd12::1", DB), sighting("10.77.0.3", OTHER)]
    assert held("pvtap2", leases, seen) == ["10.77.0.3", "10.77.0.20", "fd12::1"]
