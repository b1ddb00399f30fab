"""Names of the site's other hosts, which the host itself asks for."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from leasewatch.addresses import parse
from leasewatch.dns import server
from leasewatch.dns.answers import Answers
from leasewatch.dns.asking import Asker
from nss_pyvirt import snapshot
from tests.leasewatch.dns.naming import NOW, Asked, table

LAN = Asker("192.168.1.9", 4000, "192.168.1.5", is_tcp=False)
GUEST = Asker("10.77.0.20", 4000, "10.77.0.1", is_tcp=False)
NAME = "far1.hostb.vm.example.org"


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """A host with one peer, whose table is as old as the clock of the test."""
    path = tmp_path / "peers.v1"
    addresses = [
        snapshot.Address(socket.AF_INET, parse("10.9.0.5"), int(NOW) + 100),
        snapshot.Address(socket.AF_INET6, parse("fd00:9::5"), int(NOW) + 3),
    ]
    hosts = [snapshot.Host((NAME, "far1", "web1"), tuple(addresses))]
    path.write_bytes(snapshot.encode(hosts, generation=1, published=1))
    path.chmod(0o644)
    made = Asked(table())
    made.answers = Answers(made.table, peers=server._peer_table(path))
    made.answers.changed(made.table.records)
    made.responder._answers = made.answers
    return made


@pytest.mark.parametrize(
    ("name", "rdtype", "expected"),
    [
        (NAME, "A", ["10.9.0.5"]),
        ("FAR1", "AAAA", ["fd00:9::5"]),
        ("far1", "MX", "NODATA"),
        ("far1", "ANY", ['"RFC8482" ""']),
        ("5.0.9.10.in-addr.arpa", "PTR", [f"{NAME}."]),
        ("5.0.9.10.in-addr.arpa", "A", "NODATA"),
        ("6.0.9.10.in-addr.arpa", "PTR", "REFUSED"),
        ("0.9.10.in-addr.arpa", "PTR", "REFUSED"),
        ("none.hostb.vm.example.org", "A", "REFUSED"),
        ("x.far1", "A", "REFUSED"),
        ("web1", "A", ["10.77.0.5"]),
    ],
)
def test_the_host_finds_the_names_of_its_peers_after_its_own(
    asked: Asked, name: str, rdtype: str, expected: str | list[str]
) -> None:
    assert asked.find(name, rdtype) == expected


@pytest.mark.parametrize("asker", [LAN, GUEST])
def test_others_do_not(asked: Asked, asker: Asker) -> None:
    assert asked.find("far1", "A", asker) == "REFUSED"
    assert asked.find("5.0.9.10.in-addr.arpa", "PTR", asker) == "REFUSED"


def test_they_end_with_the_table_and_a_missing_table_has_none(asked: Asked, tmp_path: Path) -> None:
    asked.now += 3
    assert asked.find("far1", "AAAA") == "NODATA"
    asked.now += 97
    assert asked.find("far1", "A") == "REFUSED"
    asked.now = NOW
    (tmp_path / "peers.v1").unlink()
    assert asked.find("far1", "A") == "REFUSED"
