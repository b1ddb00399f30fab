"""From a lease to a flat zone: service, DNS process and BIND; then `leasewatch dns withdraw`."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasewatch.cli.leasewatch import main
from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.dns import keys
from leasewatch.dns.export import owner_of
from leasewatch.paths import Paths
from tests.leasewatch.dns.exporting import FOREIGN, SECRET, ZONE, serving, zone_of
from tests.leasewatch.dns_serving import DnsServed
from tests.leasewatch.serving import Dnsmasq, Served
from tests.name_servers import BIND, NameServer, need
from tests.waiting import wait_for


class Host:
    """A service, a dnsmasq whose leases it reads, and the DNS process, which exports to BIND."""

    def __init__(self, root: Path, server: NameServer) -> None:
        self.served = Served(root)
        self.paths = self.served.paths
        self.dnsmasq = Dnsmasq(self.served.leases / "lab")
        self.dns = DnsServed(self.paths)
        key = keys.make(self.paths.dns_keys, "update")
        secret = base64.b64encode(SECRET).decode()
        key.write_text(f'key "update" {{ algorithm hmac-sha256; secret "{secret}"; }};')
        self.dns.settings(
            f'{self.paths.config.read_text()}[dns]\nhost = "hosta"\n[dns.update]\n'
            f'server = "127.0.0.1:{server.port}"\nzone = "{ZONE}"\nkey = "update"\n'
        )

    def lease(self, number: int, name: str) -> None:
        self.dnsmasq.lease(number, name)
        self.dnsmasq.rewrite()

    def close(self) -> None:
        self.dns.stop(signal.SIGKILL)
        self.dnsmasq.close()
        self.served.close()
        assert "Traceback" not in self.dns.said()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NameServer]:
    need()
    with serving(BIND, tmp_path / "bind") as started:
        yield started


@pytest.fixture
def host(tmp_path: Path, server: NameServer) -> Iterator[Host]:
    root = tmp_path / "host"
    root.mkdir()
    made = Host(root, server)
    yield made
    made.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="withdraw is for root")
def test_a_lease_is_exported_until_the_host_withdraws(
    host: Host, server: NameServer, capsys: pytest.CaptureFixture[str]
) -> None:
    host.lease(1, "web1")
    host.served.start()
    host.dns.start()
    wait_for("the name", lambda: server.ask(f"web1.lab.{ZONE}"))
    host.lease(2, "web2")
    wait_for("the second", lambda: server.ask(f"web2.lab.{ZONE}"))
    (entry,) = host.dns.await_status(lambda now: now.exports[0].names == 2).exports
    assert (entry.queued, entry.error, entry.refused_count) == (0, None, 0)

    assert main(["dns", "withdraw"], host.paths) == 1
    assert "sudo systemctl stop leasewatch-dns" in capsys.readouterr().err
    host.dns.stop()
    assert main(["dns", "withdraw"], host.paths) == 0
    assert capsys.readouterr().out == f"2 names removed from {ZONE}\n"
    assert zone_of(server) == FOREIGN


def test_settings_without_the_zone_leave_its_names_and_say_so(
    host: Host, server: NameServer
) -> None:
    host.lease(1, "web1")
    host.served.start()
    host.dns.start()
    host.dns.await_status(lambda now: now.exports[0].names == 1 and now.exports[0].sent)
    host.paths.config.write_text(host.paths.config.read_text().partition("[dns.update]")[0])
    host.dns.reload()
    host.dns.await_said(f'names are left in a zone zone={ZONE} hint="set [dns.update] as it was,')
    assert server.ask(f"web1.lab.{ZONE}")


@pytest.mark.skipif(os.geteuid() != 0, reason="withdraw is for root")
def test_the_names_of_a_host_that_does_not_come_back_are_removed_by_its_id(
    host: Host, server: NameServer, capsys: pytest.CaptureFixture[str]
) -> None:
    host.lease(1, "web1")
    host.served.start()
    host.dns.start()
    wait_for("the name", lambda: server.ask(f"web1.lab.{ZONE}"))
    host.dns.stop(signal.SIGKILL)
    text = next(iter(server.ask(f"_pyvirt.web1.lab.{ZONE}", "TXT")))
    number = text.partition("id=")[2].partition('"')[0]
    (host.paths.root / "etc/machine-id").write_text("that of another host\n")
    assert main(["dns", "withdraw"], host.paths) == 0
    assert capsys.readouterr().out == f"0 names removed from {ZONE}\n"
    assert main(["dns", "withdraw", "--id", number], host.paths) == 0
    assert capsys.readouterr().out == f"1 name removed from {ZONE}\n"
    assert zone_of(server) == FOREIGN
    assert main(["dns", "withdraw", "--id", number], host.paths) == 1
    assert f"{ZONE} has no names of a host with the id {number}" in capsys.readouterr().err


def test_cloned_machines_with_names_of_their_own_are_two_owners(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    one, other = (owner_of(DnsSettings(host=host), paths) for host in ("hosta", "hostb"))
    assert one.id != other.id
    assert one == owner_of(DnsSettings(host="hosta"), paths)
