"""A peer with the right key that sends what is no zone of a host."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.leasewatch.dns.here import FAR, Here, notify
from tests.leasewatch.dns.hosts import Host, Liar, in_loop, until

LIES = {
    "outside": (["www.example.com. A 10.9.9.9"], "it sends www.example.com."),
    "outside but near": (["xhostb.vm.example.org. A 10.9.9.9"], "it sends xhostb.vm"),
    "many addresses": ([f"web1.lab A 10.9.9.{n}" for n in range(1, 40)], "over 32 addresses"),
    "many odd records": ([f"n{n} CNAME evil.example." for n in range(1100)], "over 1000 records"),
    "an SOA below": (["web1 SOA . . 1 1 1 1 1"], ""),
    "loopback": (["web1.lab A 127.0.0.1"], "web1.lab A 127.0.0.1"),
    "link-local": (["web1.lab AAAA fe80::1"], "web1.lab AAAA fe80::1"),
    "mapped": (["web1.lab AAAA ::ffff:10.9.9.9"], "says nothing"),
    "multicast": (["web1.lab A 224.0.0.1"], "says nothing"),
    "a delegation": (["lab NS ns.evil.example."], "it is no address"),
    "an alias": (["web1.lab CNAME www.example.com."], "it is no address"),
    "a wildcard": (["*.lab A 10.9.9.9"], "no name of a host"),
    "the apex": (["@ A 10.9.9.9"], "no name of a host"),
    "an odd label": ([r"we\032b.lab A 10.9.9.9"], "no name of a host"),
    "a dot in a label": ([r"web1\.lab A 10.9.9.9"], "no name of a host"),
}


@pytest.mark.parametrize(("records", "why"), LIES.values(), ids=LIES)
@in_loop
async def test_a_peer_that_lies_harms_nobody(
    tmp_path: Path, records: list[str], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    here = Here(tmp_path)
    name = FAR.replace("hostb", "hostc")
    async with (
        Liar("hostb", *records, "good.lab A 10.1.0.1") as liar,
        Host("hostc", web1__lab="10.2.0.5") as host,
        here.pulling(liar, host),
    ):
        await until("the honest host", lambda: here.ask(name) == ["10.2.0.5"])
        await until("the lie", lambda: why in here.error("hostb") and here.error("hostb"))
        for asked in (FAR, "www.example.com", "web1.hostb.vm.example.org", "web1", "hostb"):
            assert here.ask(asked) == []
        host.set({"web1__lab": "10.2.0.6"})
        notify(here, host)
        await until("the honest host's change", lambda: here.ask(name) == ["10.2.0.6"])
    warned = [one for one in caplog.records if one.levelname == "WARNING"]
    assert ["hostb" in one.getMessage() for one in warned] == [True]


@pytest.mark.parametrize(("limit", "most"), [("BYTES", 10_000), ("MESSAGES", 10)])
@in_loop
async def test_an_endless_transfer_ends_at_its_size(
    tmp_path: Path, limit: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"leasewatch.dns.pull.{limit}", most)
    here = Here(tmp_path)
    async with Liar("hostb", "web1.lab A 10.9.9.9") as liar, here.pulling(liar):
        liar.endless = True
        await until("the end", lambda: "it sends over" in here.error("hostb"))
        assert here.ask(FAR) == []


@pytest.mark.parametrize(
    ("limit", "why"), [("SECONDS", "took over"), ("IDLE_SECONDS", "no answer in")]
)
@in_loop
async def test_a_transfer_that_drips_ends_in_time(
    tmp_path: Path, limit: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"leasewatch.dns.pull.{limit}", 0.5)
    here = Here(tmp_path)
    silent = asyncio.Event()

    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xff")
        await silent.wait()
        writer.close()

    async with Host("hostb") as host:
        await host.vanish()
        server = await asyncio.start_server(drip, "127.0.0.1", host.port)
        async with here.pulling(host):
            await until("the end", lambda: why in here.error("hostb"))
        silent.set()
        server.close()


@in_loop
async def test_too_many_names_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leasewatch.dns.peer_zone.MAX_NAMES", 50)
    here = Here(tmp_path)
    many = (f"n{n}.lab A 10.9.9.9" for n in range(51))
    async with Liar("hostb", *many) as liar, here.pulling(liar):
        await until("the refusal", lambda: "over 50 names" in here.error("hostb"))
        assert here.ask("n1.lab.hostb.vm.example.org") == []


@in_loop
async def test_absurd_timers_count_within_limits(tmp_path: Path) -> None:
    here = Here(tmp_path)
    async with Liar("hostb", soa="7 2147483647 1 2147483647 5") as liar, here.pulling(liar):
        await until("the zone", lambda: here.peers.zones()[0].soa)
        assert here.peers.zones()[0].soa == (7, 60, 12 * 3600)
