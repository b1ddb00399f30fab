"""Serials at a real BIND: it follows the host's zone through whatever happens to its state."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasewatch.dns import keys
from leasewatch.dns.state import State
from leasewatch.dns.zone import Kept
from tests.leasewatch.dns_serving import DnsServed, free_port
from tests.leasewatch.serving import Dnsmasq, Served
from tests.name_servers import BIND, NameServer, need, running
from tests.waiting import wait_for

APEX = "hosta.vm.example.org"
WEB1, WEB2 = f"web1.lab.{APEX}", f"web2.lab.{APEX}"


class Site:
    """A host with leases, and a BIND that has its zone."""

    def __init__(self, folder: Path, bind: NameServer, served: Served, host: DnsServed) -> None:
        self.state = folder / "var/lib/leasewatch-dns"
        self.bind = bind
        self.host = host
        self._dnsmasq = Dnsmasq(served.leases / "lab")

    def lease(self, number: int, name: str) -> None:
        self._dnsmasq.lease(number, name)
        self._dnsmasq.rewrite()

    def follows(self, name: str) -> int:
        """Wait until BIND answers for the name; returns the serial that it has."""
        wait_for(f"BIND to answer for {name}", lambda: self.bind.ask(name))
        (soa,) = self.bind.ask(APEX, "SOA")
        return int(soa.split()[2])

    def close(self) -> None:
        self._dnsmasq.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The service runs; the DNS process does not yet."""
    need()
    served, port, bind_port = Served(tmp_path), free_port(), free_port()
    host = DnsServed(served.paths)
    key = keys.make(served.paths.dns_keys, "xfr")
    host.settings(
        f"""{served.paths.config.read_text()}
[dns]
listen = ["127.0.0.1:{port}"]
host = "hosta"
site = "example.org"
key = "xfr"
notify = ["127.0.0.1:{bind_port}"]
"""
    )
    config = f"""
include "{key}";
zone "{APEX}" {{
    type secondary;
    primaries {{ 127.0.0.1 port {port} key xfr; }};
    allow-notify {{ key xfr; }};
    file "hosta.db";
}};
"""
    with running(BIND, tmp_path / "bind", port=bind_port, config=config) as bind:
        made = Site(tmp_path, bind, served, host)
        made.lease(1, "web1")
        served.start()
        yield made
        made.close()
        host.stop(signal.SIGKILL)
        assert "Traceback" not in host.said()
        served.close()


@pytest.mark.parametrize("case", ["killed", "lost disk", "broken file"])
def test_bind_follows_a_host_that_is_restarted(case: str, site: Site) -> None:
    site.host.start()
    before = site.follows(WEB1)
    site.host.stop(signal.SIGKILL)
    if case == "lost disk":
        shutil.rmtree(site.state)
        wait_for("the clock to pass the serial", lambda: time.time() > before + 1)
    elif case == "broken file":
        (site.state / f"{APEX}.serial").write_text("serial 0000000007 of another program\n")
        wait_for("the clock to pass the serial", lambda: time.time() > before + 1)
    site.lease(2, "web2")
    site.host.start()
    assert site.follows(WEB2) > before
    assert site.host.said().count("damaged file") == (case == "broken file")


def test_bind_follows_after_the_clock_was_set_back(site: Site) -> None:
    ahead = int(time.time()) + 3600
    State(site.state).store(APEX, Kept(ahead, 0))
    site.host.start()
    assert site.follows(WEB1) == ahead + 1
    site.lease(2, "web2")
    assert site.follows(WEB2) == ahead + 2


def test_an_unchanged_zone_keeps_its_serial_and_is_not_sent_again(site: Site) -> None:
    site.host.start()
    before = site.follows(WEB1)
    site.host.stop()
    logged = len(site.bind.log())
    site.host.start()
    wait_for("NOTIFY", lambda: f"zone {APEX}/IN: notify from" in site.bind.log()[logged:])
    wait_for("its reply", lambda: "zone is up to date" in site.bind.log()[logged:])
    assert site.follows(WEB1) == before
    found = site.host.status()
    assert found is not None
    assert (found.counters.transfers, found.counters.transfers_incremental) == (0, 0)
