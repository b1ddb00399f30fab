"""`leasewatch dns serve` as a whole: a lease becomes an answer, a zone and a NOTIFY."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.tsig
import dns.xfr
import dns.zone
import pytest

from leasewatch.dns import keys
from tests.leasewatch.dns_serving import DnsServed, free_port
from tests.leasewatch.serving import Dnsmasq, Served
from tests.waiting import wait_for

APEX = "hosta.vm.example.org"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    yield made
    made.close()


@pytest.fixture
def dnsmasq(served: Served) -> Iterator[Dnsmasq]:
    made = Dnsmasq(served.leases / "lab")
    made.lease(1, "web1")
    made.rewrite()
    yield made
    made.close()


@pytest.fixture
def secondary() -> Iterator[socket.socket]:
    with socket.socket(type=socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(20)
        yield made


@pytest.fixture
def port(served: Served, secondary: socket.socket) -> Iterator[int]:
    """The DNS process, by its port."""
    found = free_port()
    made = DnsServed(served.paths)
    made.settings(
        f"""{served.paths.config.read_text()}
[dns]
listen = ["127.0.0.1:{found}"]
host = "hosta"
site = "example.org"
key = "xfr"
notify = ["127.0.0.1:{secondary.getsockname()[1]}"]
"""
    )
    keys.make(served.paths.dns_keys, "xfr")
    made.start()
    yield found
    assert made.stop(signal.SIGTERM) == 0
    assert "Traceback" not in made.said()


def _zone(port: int, key: dns.tsig.Key) -> dns.zone.Zone:
    zone = dns.zone.Zone(f"{APEX}.")
    query, _ = dns.xfr.make_query(zone, keyring={key.name: key}, keyname=key.name)
    dns.query.inbound_xfr("127.0.0.1", zone, query, port, timeout=20, lifetime=20)
    return zone


def test_a_lease_is_in_the_zone_and_the_name_server_hears_of_the_next(
    served: Served, dnsmasq: Dnsmasq, port: int, secondary: socket.socket
) -> None:
    served.start()
    key = keys.load(served.paths.dns_keys, "xfr")
    heard = dns.message.from_wire(secondary.recv(65_535), keyring=key)
    assert heard.opcode() == dns.opcode.NOTIFY
    zone = _zone(port, key)
    assert zone.get_rdataset("web1.lab", "A") is not None
    assert zone.get_soa().serial == heard.answer[0][0].serial
    dnsmasq.lease(2, "web2")
    dnsmasq.rewrite()

    def next_serial() -> bool:
        message = dns.message.from_wire(secondary.recv(65_535), keyring=key)
        return bool(message.answer[0][0].serial > zone.get_soa().serial)

    wait_for("the next NOTIFY", next_serial)
    assert _zone(port, key).get_rdataset("web2.lab", "A") is not None


def test_without_the_key_there_is_no_zone(served: Served, dnsmasq: Dnsmasq, port: int) -> None:
    served.start()
    query = dns.message.make_query(APEX, "AXFR")
    assert dns.query.tcp(query, "127.0.0.1", 20, port).rcode() == dns.rcode.REFUSED
