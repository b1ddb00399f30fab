"""Pulling the zones of other hosts, and what the NSS module answers then."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import time
from functools import partial
from pathlib import Path

import dns.rcode
import dns.tsig
import pytest

from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.dns import doors
from leasewatch.dns.peer_zone import PeerZone
from leasewatch.dns.peers import NoPeers
from leasewatch.dns.table import Network
from leasewatch.dns.zone import Head, Zone
from nss_pyvirt import snapshot
from tests.leasewatch.dns.asking_zones import KEY
from tests.leasewatch.dns.here import FAR, Here, notify
from tests.leasewatch.dns.hosts import Host, in_loop, until


@in_loop
async def test_a_name_of_another_host_answers_and_follows_its_changes(tmp_path: Path) -> None:
    here = Here(tmp_path)
    async with Host("hostb", web1__lab="10.1.0.5", web1="10.1.0.5") as host, here.pulling(host):
        await until("the first name", lambda: here.ask(FAR) == ["10.1.0.5"])
        assert here.ask("web1") == ["10.1.0.5"]
        host.set({"web1__lab": "10.1.0.7 fd00::7", "web1": ""})
        assert notify(here, host) == dns.rcode.NOERROR
        await until("the change", lambda: here.ask(FAR) == ["10.1.0.7", "fd00::7"])
        assert here.ask("web1") == []
        assert host.asked == ["AXFR", "IXFR"]
        entry = here.entry("hostb")
        assert (entry.serial, entry.names, entry.error) == (host.zone.serial, 1, None)


@in_loop
async def test_notify_of_the_serial_that_is_here_costs_no_transfer(tmp_path: Path) -> None:
    here = Here(tmp_path)
    async with Host("hostb", web1__lab="10.1.0.5") as host, here.pulling(host):
        await until("the name", lambda: here.ask(FAR))
        assert notify(here, host, serial=host.zone.serial) == dns.rcode.NOERROR
        await asyncio.sleep(0.1)
        assert host.asked == ["AXFR"]
        assert notify(here, host, serial=host.zone.serial + 1) == dns.rcode.NOERROR
        await until("the next transfer", lambda: host.asked == ["AXFR", "IXFR"])


@in_loop
async def test_a_host_that_has_just_started_is_pulled_at_its_first_notify(tmp_path: Path) -> None:
    here = Here(tmp_path)
    async with Host("hostb", web1__lab="10.1.0.5") as host:
        there, host.zone = host.zone, Zone("other.example", Head(("invalid",)))
        async with here.pulling(host):
            await until("a try", lambda: "NOTAUTH" in here.error("hostb"))
            for least in range(2, 5):  # pauses that no NOTIFY ends would be long by then
                notify(here, host, serial=there.serial)
                await until("the next", partial(_has_asked, host, least))
            host.zone = there
            assert notify(here, host, serial=there.serial) == dns.rcode.NOERROR
            await until("the name", lambda: here.ask(FAR) == ["10.1.0.5"], seconds=10)


def _has_asked(host: Host, least: int) -> bool:
    return len(host.asked) >= least


@in_loop
async def test_an_answer_that_trips_the_reader_ends_no_pulling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Here(tmp_path)
    with monkeypatch.context() as reading:
        reading.delattr(PeerZone, "check")
        async with Host("hostb", web1__lab="10.1.0.5") as host, here.pulling(host):
            await until("the error", lambda: "malformed" in here.error("hostb"))
            reading.undo()
            await until("the name", lambda: here.ask(FAR) == ["10.1.0.5"])


@in_loop
async def test_notify_counts_only_signed_and_from_the_peers_own_address(tmp_path: Path) -> None:
    here = Here(tmp_path)
    async with Host("hostb") as host, Host("hostx") as stranger, here.pulling(host):
        assert notify(here, host, source="127.0.0.9") == dns.rcode.REFUSED
        assert notify(here, stranger) == dns.rcode.REFUSED
        assert notify(here, host, key=None) == dns.rcode.NOTAUTH
        assert notify(here, host) == dns.rcode.NOERROR


@in_loop
async def test_a_link_that_is_back_is_noticed_within_5_seconds_without_notify(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here = Here(tmp_path)
    async with Host("hostb", web1__lab="10.1.0.5") as host, here.pulling(host):
        await until("the name", lambda: here.ask(FAR))
        await host.vanish()
        notify(here, host)
        await until("the failure", lambda: here.error("hostb"))
        await asyncio.sleep(1)
        assert here.ask(FAR) == ["10.1.0.5"]
        host.set({"web1__lab": "10.1.0.7"})
        await host.appear()
        await until("the new address", lambda: here.ask(FAR) == ["10.1.0.7"])
        assert not here.error("hostb")
    (line,) = (one for one in caplog.messages if "not pulled" in one)
    assert "peer=hostb" in line
    assert "expire=600" in line


@in_loop
async def test_a_dead_peers_names_go_at_the_expire_of_its_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("leasewatch.dns.peer_zone.LIFETIMES", range(1, 4))
    here = Here(tmp_path)
    async with (
        Host("hostb", web1__lab="10.1.0.5") as dead,
        Host("hostc", web1__lab="10.2.0.5") as host,
        here.pulling(dead, host),
    ):
        await until("the names", lambda: here.ask(FAR) and here.ask(FAR.replace("tb", "tc")))
        await dead.vanish()
        notify(here, dead)
        began = time.monotonic()
        while not caplog.text.count("expired"):
            assert here.ask(FAR)
            notify(here, host)
            await asyncio.sleep(0.1)
        assert time.monotonic() - began > 1
        await until("the name to go", lambda: not here.ask(FAR))
        assert here.ask(FAR.replace("tb", "tc")) == ["10.2.0.5"]
        await dead.appear()
        await until("the name to come back", lambda: here.ask(FAR))


@in_loop
async def test_a_restart_keeps_the_names_of_a_peer_that_is_away(tmp_path: Path) -> None:
    async with Host("hostb", web1__lab="10.1.0.5") as host:
        here = Here(tmp_path)
        async with here.pulling(host):
            await until("the name", lambda: here.ask(FAR))
        await host.vanish()
        here.paths.peers_snapshot.unlink()  # a reboot
        again = Here(tmp_path)
        async with again.pulling(host):
            assert again.ask(FAR) == ["10.1.0.5"]
        kept = again.paths.dns_state / "peers" / "hostb.json"
        os.utime(kept, (0, time.time() - 601))
        expired = Here(tmp_path)
        async with expired.pulling(host):
            assert expired.ask(FAR) == []


@in_loop
@pytest.mark.parametrize("content", [b"", b"{", b'{"apex": 1}', b"\xff" * 99])
async def test_a_damaged_file_of_a_peer_is_one_line(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    here = Here(tmp_path)
    kept = here.paths.dns_state / "peers" / "hostb.json"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(content)
    async with Host("hostb", web1__lab="10.1.0.5") as host, here.pulling(host):
        await until("the name", lambda: here.ask(FAR))
    assert caplog.text.count("kept zone unreadable") == 1


@in_loop
async def test_a_serial_that_went_back_brings_the_whole_zone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "leasewatch")
    here = Here(tmp_path)
    async with Host("hostb", web1__lab="10.1.0.5", db__lab="10.1.0.6") as host, here.pulling(host):
        await until("the name", lambda: here.ask(FAR))
        host.zone = host.new_zone()
        host.set({"web1__lab": "10.1.0.7"}, now=5)
        notify(here, host)
        await until("the new address", lambda: here.ask(FAR) == ["10.1.0.7"])
        assert here.ask(FAR.replace("web1", "db")) == []
        assert host.asked == ["AXFR", "IXFR", "AXFR"]
    assert caplog.text.count("went back") == 1


@in_loop
async def test_a_peer_with_another_key_is_one_clear_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here = Here(tmp_path)
    other = dns.tsig.Key(KEY.name, b"the secret of another site 12345")
    async with Host("hostb", web1__lab="10.1.0.5") as host, here.pulling(host, key=other):
        await until("the failure", lambda: here.error("hostb"))
        assert here.error("hostb") == "it has no such key, or another secret"
    assert "leasewatch dns key" in caplog.text
    assert other.secret.decode() not in caplog.text


@in_loop
async def test_a_peer_that_is_taken_out_of_the_settings_has_no_names(tmp_path: Path) -> None:
    here = Here(tmp_path)
    async with Host("hostb", web1__lab="10.1.0.5") as host, Host("hostc", db="10.2.0.5") as other:
        async with here.pulling(host, other):
            await until("the names", lambda: here.ask(FAR) and here.ask("db"))
        await other.vanish()
        async with here.pulling(other):
            assert here.ask(FAR) == []
            assert here.ask("db") == ["10.2.0.5"]
    for part in doors.parts(DnsSettings(), here.table, here.paths):
        assert here.paths.peers_snapshot.exists() or not isinstance(part, NoPeers)
        part.start()
        await part.stop()
    assert not here.paths.peers_snapshot.exists()


@in_loop
async def test_names_of_this_host_and_of_peers_stay_theirs(tmp_path: Path) -> None:
    here = Here(tmp_path)
    here.table.blocked = frozenset({"web1"})
    async with (
        Host("hostb", web1="10.1.0.5", hostb="10.1.0.6", db="10.1.0.7") as host,
        here.pulling(host) as peers,
    ):
        await until("the name", lambda: here.ask("db"))
        assert here.ask("web1") == here.ask("hostb") == []
        here.table.blocked = frozenset({"localhost"})
        peers.table_changed(set())
        await until("the name that is free", lambda: here.ask("web1"))


@in_loop
async def test_an_address_of_a_bridged_network_is_the_same_guest_on_every_host(
    tmp_path: Path,
) -> None:
    here = Here(tmp_path)
    here.table.networks["lan"] = Network("lan", "internal", ("10.1.0.0/24",), shared=True)
    async with Host("hostb", web1="10.1.0.5") as host, here.pulling(host) as peers:
        await until("the name", lambda: here.ask("web1") == ["10.1.0.5"])
        here.table.networks["lan"] = Network("lan", "internal", ("10.1.0.0/24",))
        peers.table_changed(set())
        await until("another host's subnet", lambda: here.ask("web1") == [])


@in_loop
async def test_a_table_that_others_remove_or_that_fails_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leasewatch.dns.peers_table.CHECK_SECONDS", 0.2)
    here = Here(tmp_path)
    async with Host("hostb", web1__lab="10.1.0.5") as host, here.pulling(host):
        await until("the name", lambda: here.ask(FAR))
        here.paths.peers_snapshot.unlink()
        await until("the name again", lambda: here.ask(FAR))


@in_loop
async def test_names_end_by_themselves_if_the_process_is_gone(tmp_path: Path) -> None:
    here = Here(tmp_path)
    async with Host("hostb", web1__lab="10.1.0.5") as host, here.pulling(host):
        await until("the name", lambda: here.ask(FAR))
    (record,) = snapshot.read(here.paths.peers_snapshot).hosts
    assert 600 < record.addresses[0].expires - time.time() < 1201


def _resolving(monkeypatch: pytest.MonkeyPatch, port: int, found: list[str]) -> None:
    """Let the system's resolver find these addresses, or nothing."""

    def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(2, 1, 6, "", (address, port)) for address in found]

    monkeypatch.setattr("leasewatch.dns.follower.PORT", port)
    monkeypatch.setattr("socket.getaddrinfo", resolve)


@in_loop
async def test_a_peer_without_address_is_found_by_the_systems_resolver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Here(tmp_path)
    found: list[str] = []
    async with Host("hostb", web1__lab="10.1.0.5") as host:
        _resolving(monkeypatch, host.port, found)
        async with here.pulling(host, by_name=True):
            await until("the failure", lambda: "does not resolve" in here.error("hostb"))
            assert 'pull = ["hostb ADDRESS"]' in str(here.entry("hostb").hint)
            found += ["127.0.0.9", "127.0.0.1"]  # nobody listens at the first
            await until("the name", lambda: here.ask(FAR) == ["10.1.0.5"])
            assert notify(here, host) == dns.rcode.NOERROR


@in_loop
async def test_on_a_full_disk_names_answer_and_one_line_says_what_is_at_risk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("leasewatch.dns.peers.SAVE_SECONDS", 0.01)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("leasewatch.dns.peer_state.PeerState.save", fail)
    here = Here(tmp_path)
    async with Host("hostb", web1__lab="10.1.0.5") as host, here.pulling(host):
        await until("the line", lambda: "not kept" in caplog.text)
        host.set({"web1__lab": "10.1.0.6"})
        notify(here, host)
        await until("the change", lambda: here.ask(FAR) == ["10.1.0.6"])
        await asyncio.sleep(0.05)
    assert caplog.text.count("not kept") == 1
