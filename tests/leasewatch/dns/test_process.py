"""`leasewatch dns serve` beside a real service: what it follows, and when it starts and ends."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasewatch.cli.leasewatch import main
from leasewatch.paths import Paths
from tests.leasewatch.dns_serving import DnsServed, free_port
from tests.leasewatch.serving import Dnsmasq, Served
from tests.waiting import wait_for

Out = pytest.CaptureFixture[str]


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
def dns(served: Served) -> Iterator[DnsServed]:
    made = DnsServed(served.paths)
    before = served.paths.config.read_text()
    made.settings(f'{before}\n[dns]\nlisten = ["127.0.0.1:{free_port()}"]\n')
    yield made
    made.stop(signal.SIGKILL)
    assert "Traceback" not in made.said()


def test_it_follows_the_names_of_the_service(
    served: Served, dnsmasq: Dnsmasq, dns: DnsServed
) -> None:
    served.start()
    dns.start()
    dns.await_status(lambda now: now.follows and now.names == 1)
    dnsmasq.lease(2, "web2")
    dnsmasq.rewrite()
    dns.await_status(lambda now: now.names == 2)
    dnsmasq.lines.clear()
    dnsmasq.rewrite()
    dns.await_status(lambda now: now.names == 0)
    assert dns.stop() == 0
    assert not served.paths.dns_varlink.exists()


def test_names_stay_while_the_service_is_away_and_are_compared_when_it_is_back(
    served: Served, dnsmasq: Dnsmasq, dns: DnsServed
) -> None:
    dns.start()  # first
    served.start()
    dns.await_status(lambda now: now.follows and now.names == 1)
    served.stop(signal.SIGKILL)
    dns.await_status(lambda now: not now.follows and now.names == 1)
    dnsmasq.lease(2, "web2")
    del dnsmasq.lines["web1"]
    dnsmasq.lease(3, "web3")
    dnsmasq.rewrite()
    served.start()
    dns.await_status(lambda now: now.follows and now.names == 2)
    dns.await_said("cannot follow the service, keeping the names")


def test_without_anything_to_do_it_says_what_to_set(tmp_path: Path, capsys: Out) -> None:
    paths = Paths(tmp_path)
    assert main(["dns", "serve", "--check"], paths) == 1
    assert main(["dns", "serve"], paths) == 1
    said = capsys.readouterr().err
    assert f"nothing to do: [dns] in {paths.config} sets neither listen, site" in said
    assert "hint: see SETTINGS in man leasewatch" in said


def test_settings_that_only_have_a_fault_are_reported(tmp_path: Path, capsys: Out) -> None:
    paths = Paths(tmp_path)
    paths.config.parent.mkdir(parents=True)
    paths.config.write_text('[dns]\nlisten = ["localhost"]\n')
    assert main(["dns", "serve"], paths) == 1
    assert 'dns.listen[0]: "localhost" is neither ADDRESS' in capsys.readouterr().err


def test_there_is_one_dns_process(served: Served, dns: DnsServed) -> None:
    dns.start()
    assert main(["dns", "serve", "--check"], served.paths) == 0
    second = DnsServed(served.paths)
    second.begin()
    wait_for("the second to end", second.has_ended)
    assert second.code == 1
    assert f"the DNS process is already running: process {dns.pid}" in second.said()
    assert not dns.has_ended()


def test_a_reload_with_a_fault_keeps_the_settings_and_an_empty_one_ends_it(
    served: Served, dns: DnsServed
) -> None:
    dns.start()
    text = served.paths.config.read_text()
    dns.settings(text + '\nnotify = ["nowhere"]\n')
    dns.reload()
    dns.await_said("reload failed, keeping the previous settings")
    dns.settings(text)
    dns.reload()
    dns.await_said("reloaded path=")
    served.paths.peers_snapshot.touch()
    dns.settings("")
    dns.reload()
    wait_for("its end", dns.has_ended)
    assert not served.paths.peers_snapshot.exists()
    assert dns.code == 0
    assert "[dns] is empty, nothing is left to do" in dns.said()


def test_status_says_how_to_start_it(served: Served, dns: DnsServed, capsys: Out) -> None:
    assert main(["dns"], served.paths) == 1
    assert "hint: sudo systemctl restart leasewatch-dns" in capsys.readouterr().err
    dns.settings("")
    assert main(["dns", "status"], served.paths) == 1
    assert f"[dns] in {served.paths.config} is empty" in capsys.readouterr().err


def test_status_has_a_row_for_an_endpoint_that_is_taken(dns: DnsServed, capsys: Out) -> None:
    port = free_port()
    dns.settings(f'[dns]\nlisten = ["127.0.0.1:{port}"]\n')
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port))
        dns.start()
        assert main(["dns", "status"], dns.paths) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("listen "))
    assert row.split(maxsplit=2)[:2] == ["listen", f"127.0.0.1:{port}"]
    assert f"Address already in use; ss -lntup 'sport = {port}' shows" in row


def test_status_is_a_list_for_people_and_an_object_for_programs(
    served: Served, dns: DnsServed, capsys: Out
) -> None:
    dns.start()
    assert main(["dns"], served.paths) == 0
    assert f"process {dns.pid}, up " in capsys.readouterr().out
    assert main(["dns", "status", "-o", "json"], served.paths) == 0
    assert f'"pid": {dns.pid}' in capsys.readouterr().out
