"""Serials at a real BIND: it follows the host's zone through whatever happens to its state."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from leasewatch.dns import keys
from leasewatch.dns.state import State
from leasewatch.dns.zone import Kept
from tests.leasewatch.dns.site_host import SiteHost, site_host
from tests.leasewatch.dns_serving import free_port
from tests.name_servers import BIND, NameServer, need, running
from tests.waiting import wait_for

APEX = "hosta.vm.example.org"


class Site(NamedTuple):
    """A host with the guest web1, and a BIND that has its zone."""

    host: SiteHost
    bind: NameServer
    web1: str

    def serial_with(self, name: str) -> int:
        """Wait until BIND answers for the name; returns the serial that it has."""
        wait_for(f"BIND to answer for {name}", lambda: self.bind.ask(name))
        (soa,) = self.bind.ask(APEX, "SOA")
        return int(soa.split()[2])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    need()
    port, bind_port = free_port(), free_port()
    key = keys.make(tmp_path, "xfr")
    config = f"""
include "{key}";
zone "{APEX}" {{
    type secondary;
    primaries {{ 127.0.0.1 port {port} key xfr; }};
    allow-notify {{ key xfr; }};
    file "hosta.db";
}};
"""
    told = f'notify = ["127.0.0.1:{bind_port}"]'
    with (
        running(BIND, tmp_path / "bind", port=bind_port, config=config) as bind,
        site_host(tmp_path / "a", "hosta", key, f"127.0.0.1:{port}", told) as host,
    ):
        yield Site(host, bind, host.lease(1, "web1"))


@pytest.mark.parametrize("case", ["killed", "lost disk", "broken file"])
def test_bind_follows_a_host_that_is_restarted(case: str, site: Site) -> None:
    host = site.host
    host.dns.start()
    before = site.serial_with(site.web1)
    host.dns.stop(signal.SIGKILL)
    if case == "lost disk":
        shutil.rmtree(host.state)
    elif case == "broken file":
        (host.state / f"{APEX}.serial").write_text("serial 0000000007 of another program\n")
    if case != "killed":
        wait_for("the clock to pass the serial", lambda: time.time() > before + 1)
    web2 = host.lease(2, "web2")
    host.dns.start()
    assert site.serial_with(web2) > before
    assert host.dns.said().count("damaged file") == (case == "broken file")


def test_bind_follows_after_the_clock_was_set_back(site: Site) -> None:
    ahead = int(time.time()) + 3600
    State(site.host.state).store(APEX, Kept(ahead, 0), ahead)
    site.host.dns.start()
    first = site.serial_with(site.web1)
    assert ahead < first < ahead + 60
    assert site.serial_with(site.host.lease(2, "web2")) > first


def test_an_unchanged_zone_keeps_its_serial_and_is_not_sent_again(site: Site) -> None:
    dns = site.host.dns
    dns.start()
    before = site.serial_with(site.web1)
    dns.stop()
    logged = len(site.bind.log())
    dns.start()
    wait_for("NOTIFY", lambda: f"zone {APEX}/IN: notify from" in site.bind.log()[logged:])
    wait_for("its reply", lambda: "zone is up to date" in site.bind.log()[logged:])
    assert site.serial_with(site.web1) == before
    done = dns.await_status(lambda now: now.counters.notifies)
    assert (done.counters.transfers, done.counters.transfers_incremental) == (0, 0)
