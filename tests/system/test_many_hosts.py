"""Three hosts with the installed module and no name server at all: each knows all names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.site import SITE, Site, SiteHost, site


@pytest.fixture(scope="module")
def three(_namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site"), 3, 'catalog = "hub"') as made:
        yield made


def _peers(host: SiteHost) -> dict[str, dict[str, object]]:
    """The rows of peers in `leasewatch sources`, by host."""
    rows = json.loads(host.world.run(["leasewatch", "sources", "-o", "json"]).stdout)
    return {row["network"]: row for row in rows if row["source"] == "peer"}


def _await_kept(host: SiteHost, address: str) -> None:
    """Wait until an address of a guest of hostb is on the host's disk."""
    cat = ["cat", "/var/lib/leasewatch-dns/peers/hostb.json"]
    host.world.wait_for(
        "it to be kept", lambda: f'"{address}"' in host.world.run(cat, check=False).stdout
    )


def test_a_guest_of_one_host_answers_on_the_others_by_name_and_address(three: Site) -> None:
    a, b, c = three.hosts.values()
    name, address = b.guest(10, "web1")
    for host in (a, c):
        host.await_answer(name, address)
        assert host.ask("web1") == []
        reverse = host.world.run(["getent", "-s", "hosts:pyvirt", "hosts", address]).stdout
        assert reverse.split() == [address, name]
    assert b.ask("web1") == b.ask(name) == [address]
    b.end_guest(10)
    a.await_answer(name)


def test_an_owners_name_answers_bare_on_every_host(three: Site) -> None:
    a, b, c = three.hosts.values()
    _, address = c.guest(200, "whatever")
    for host in (a, b):
        host.await_answer("hostc-owned", address)
    for host in (a, b, c):
        host.await_answer(f"hostc-owned.hostc.{SITE}", address)
    for command, shown in {
        ("leasewatch", "ip", "hostc-owned"): address,
        ("leasewatch", "resolve", "hostc-owned", "--explain"): "host hostc of this site has it",
        ("leasewatch", "list", "--all-hosts"): "hostc",
        ("leasewatch", "doctor", "hostc-owned"): "another host of the site has it",
    }.items():
        assert shown in a.world.run(command).stdout


@pytest.mark.parametrize("program", ["dns", "service"])
def test_a_killed_process_takes_no_name_from_any_host(three: Site, program: str) -> None:
    a, b, _ = three.hosts.values()
    name, address = b.guest(20, f"kept-{program}")
    a.await_answer(name, address)
    for host in (a, b):
        host.kill(program)
        assert a.ask(name) == [address]
        host.start()
        assert a.ask(name) == [address]
    other, address = b.guest(21, f"new-{program}")
    a.await_answer(other, address)


def test_a_host_that_was_cut_off_has_all_changes_soon_after_its_link_is_back(three: Site) -> None:
    a, b, c = three.hosts.values()
    kept, address = c.guest(30, "kept")
    b.await_answer(kept, address)
    three.set_link(2, "down")
    c.guest(31, "missed1")
    missed, missed_address = c.guest(32, "missed2")
    other, other_address = b.guest(36, "other")
    a.await_answer(missed, missed_address)
    assert b.ask(kept) == [address]
    assert b.ask(missed) == []
    three.set_link(2, "up")
    took = [b.await_answer(missed, missed_address), a.await_answer(other, other_address)]
    print(f"healed after {took}")


def test_a_host_that_boots_while_a_peer_is_away_has_its_names_and_sources_says_so(
    three: Site,
) -> None:
    a, b, _ = three.hosts.values()
    name, address = b.guest(40, "away")
    a.await_answer(name, address)
    _await_kept(a, address)
    b.kill("dns")
    a.kill("dns")
    a.world.run(["sh", "-c", "rm /run/leasewatch-dns/peers.v1"])
    assert a.ask(name) == []
    a.start()
    assert a.ask(name) == [address]

    def peers() -> dict[str, dict[str, object]]:
        return _peers(a)

    a.world.wait_for("the error", lambda: peers()["hostb"]["error"])
    assert peers()["hostb"]["serial"]
    table = a.world.run(["leasewatch", "sources", "-o", "wide"]).stdout
    assert "is leasewatch-dns running there" in table
    assert f"hostc.{SITE}" in table
    b.start()
    new, new_address = b.guest(41, "back")
    a.await_answer(new, new_address)
    a.world.wait_for("the end of the error", lambda: peers()["hostb"]["error"] is None)


def test_the_hub_serves_every_hosts_zone_and_a_catalog_of_all(three: Site) -> None:
    a, b, _ = three.hosts.values()
    name, address = b.guest(50, "hubbed")
    a.await_answer(name, address)
    script = """
import sys, dns.query, dns.zone, dns.xfr, dns.message
from leasewatch.dns import keys
from pathlib import Path
key = keys.load(Path("/etc/pyvirt/dns"), "xfr")
for apex in sys.argv[1:]:
    zone = dns.zone.Zone(apex)
    query, _ = dns.xfr.make_query(zone, keyring=key)
    dns.query.inbound_xfr("10.99.0.1", zone, query, port=5300, timeout=20)
    print(zone.to_text())
"""
    run = [
        "setpriv",
        "--reuid=leasewatch-dns",
        "--clear-groups",
        "--regid=leasewatch-dns",
        "python3",
        "-c",
        script,
        f"hostb.{SITE}",
        f"catalog.{SITE}",
    ]
    shown = a.world.run(run).stdout
    assert address in shown
    for host in ("hosta", "hostb", "hostc"):
        assert f"PTR {host}.{SITE}." in shown


def test_a_host_whose_clock_is_wrong_is_one_clear_line_on_the_others(three: Site) -> None:
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        pytest.skip("no libfaketime here: packaging/test installs it")
    a, b, _ = three.hosts.values()
    name, address = b.guest(60, "clock")
    a.await_answer(name, address)
    _await_kept(a, address)
    b.kill("dns")
    ahead = ("FAKETIME=+3600", "FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1")
    b.start("env", f"LD_PRELOAD={libraries[0]}", *ahead)
    a.kill("dns")
    a.start()
    a.world.wait_for("the error", lambda: _peers(a)["hostb"]["error"])
    assert _peers(a)["hostb"]["error"] == "the clocks differ by over 300 seconds"
    assert "timedatectl" in str(_peers(a)["hostb"]["hint"])
    assert a.ask(name) == [address]
    b.kill("dns")
    b.start()
    a.world.wait_for("the end of the error", lambda: _peers(a)["hostb"]["error"] is None)
