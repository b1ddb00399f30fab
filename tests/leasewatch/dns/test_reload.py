"""A reload of the DNS process opens and closes its doors; a key with a fault keeps them."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
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

SECONDS = 20


class Host:
    """A service, a dnsmasq whose leases it reads, and the DNS process."""

    def __init__(self, root: Path) -> None:
        self.served = Served(root)
        self.dnsmasq = Dnsmasq(self.served.leases / "lab")
        self.dns = DnsServed(self.served.paths)
        self.port = free_port()
        self.secondary = socket.socket(type=socket.SOCK_DGRAM)
        self.secondary.bind(("127.0.0.1", 0))
        self.secondary.settimeout(SECONDS)
        keys.make(self.served.paths.dns_keys, "site")
        self._sources = self.served.paths.config.read_text()

    def settings(self, text: str) -> None:
        self.dns.settings(f'{self._sources}[dns]\nlisten = ["127.0.0.1:{self.port}"]\n{text}')

    def site(self) -> None:
        """Serve the zones of a site."""
        told = self.secondary.getsockname()[1]
        self.settings(
            'host = "hosta"\nsite = "example.org"\nkey = "site"\nreverse = ["10.0.0.0/16"]\n'
            f'notify = ["127.0.0.1:{told}"]\n'
        )

    def start(self) -> None:
        self.lease(1, "web1")
        self.served.start()
        self.dns.start()
        self.dns.await_status(lambda now: now.follows and now.names == 1)

    def lease(self, number: int, name: str) -> None:
        self.dnsmasq.lease(number, name)
        self.dnsmasq.rewrite()

    def ask(self, name: str, rdtype: str = "A", *, tcp: bool = False) -> dns.message.Message:
        query = dns.message.make_query(name, rdtype)
        ask = dns.query.tcp if tcp else dns.query.udp
        return ask(query, "127.0.0.1", SECONDS, self.port)

    def answers(self, name: str, rdtype: str = "A") -> list[str]:
        return [str(one) for rrset in self.ask(name, rdtype).answer for one in rrset]

    def close(self) -> None:
        self.secondary.close()
        self.dns.stop(signal.SIGKILL)
        self.dnsmasq.close()
        self.served.close()
        assert "Traceback" not in self.dns.said()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    made.close()


def test_programs_get_names_over_udp_and_tcp(host: Host) -> None:
    host.settings("")
    host.start()
    assert host.answers("web1") == ["10.0.0.1"]
    assert host.answers("web1.lab.internal") == ["10.0.0.1"]
    assert host.ask("web1.lab.internal", tcp=True).answer
    assert host.ask("web9.lab.internal").rcode() == dns.rcode.NXDOMAIN
    assert host.ask("example.com").rcode() == dns.rcode.REFUSED
    host.lease(2, "web2")
    wait_for("the new name", lambda: host.answers("web2") == ["10.0.0.2"], SECONDS)


def test_a_reload_opens_and_closes_doors_and_serials_go_on(host: Host) -> None:
    host.site()
    host.start()
    zones = host.dns.await_status(lambda now: len(now.zones) == 2).zones
    host.settings("")
    host.dns.reload()
    host.dns.await_status(lambda now: not now.zones)
    assert host.answers("web1") == ["10.0.0.1"]
    host.site()
    host.dns.reload()
    again = host.dns.await_status(lambda now: len(now.zones) == 2).zones
    assert {one.zone: one.serial for one in again} == {one.zone: one.serial for one in zones}


def test_a_key_that_others_can_read_is_one_line_and_the_previous_settings_stay(host: Host) -> None:
    host.settings("")
    host.start()
    key = keys.path_of(host.served.paths.dns_keys, "site")
    key.chmod(0o644)
    host.site()
    host.dns.reload()
    host.dns.await_said(f"other users can read the key {key}")
    assert host.answers("web1") == ["10.0.0.1"]


def test_a_key_in_use_that_others_can_read_now_is_no_reason_to_end(host: Host) -> None:
    host.site()
    host.start()
    keys.path_of(host.served.paths.dns_keys, "site").chmod(0o644)
    host.dns.reload()
    host.dns.await_said("reload failed, keeping the previous settings")
    assert host.dns.await_status(lambda now: now.zones)


def test_a_reload_of_other_settings_leaves_the_doors_open(host: Host) -> None:
    host.settings("")
    host.start()
    with socket.create_connection(("127.0.0.1", host.port), SECONDS) as client:
        host.settings('[log]\nlevel = "debug"\n')
        host.dns.reload()
        host.dns.await_said("reloaded path=")
        query = dns.message.make_query("web1", "A")
        dns.query.send_tcp(client, query)
        reply, _ = dns.query.receive_tcp(client, time.time() + SECONDS)
        assert reply.answer
    assert host.dns.said().count("listening address=") == 1


def test_a_new_key_under_the_same_name_is_used_after_a_reload(host: Host) -> None:
    host.site()
    host.start()
    path = keys.path_of(host.served.paths.dns_keys, "site")
    path.unlink()
    keys.make(path.parent, "site")
    key = keys.load(path.parent, "site")
    query = dns.message.make_query("hosta.vm.example.org", "SOA")
    query.use_tsig({key.name: key}, key.name)
    with pytest.raises(dns.tsig.PeerBadSignature):
        dns.query.udp(query, "127.0.0.1", SECONDS, host.port)
    host.dns.reload()
    host.dns.await_said("reloaded path=")
    host.dns.await_status(lambda now: now.zones)
    assert dns.query.udp(query, "127.0.0.1", SECONDS, host.port).answer
