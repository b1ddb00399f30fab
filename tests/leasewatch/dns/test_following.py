"""The DNS process follows a service that misbehaves: it keeps the names, and connects again."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from leasewatch.dns import following
from leasewatch.dns.following import Following
from leasewatch.dns.table import NameTable

SECONDS = 20


def reply(
    names: dict[str, str], *, synced: bool = True, expires: int | None = None, more: object = None
) -> bytes:
    """A reply of `Records`: the address of each name."""
    shown = [
        {
            "name": name,
            "records": [
                {
                    "names": [name],
                    "trust": "owner",
                    "addresses": [
                        {"address": at, "family": 4, "network": "lab", "expires": expires}
                    ],
                }
            ]
            if at
            else [],
        }
        for name, at in names.items()
    ]
    parameters = {"names": shown, "synced": synced, "networks": [], "blocked": [], "more": more}
    return json.dumps({"parameters": parameters, "continues": True}).encode() + b"\0"


GARBAGE = {
    b"\0": "its reply is malformed",
    b"{\0": "its reply is malformed",
    b'{"error":"org.pyvirt.LeaseWatch.TooManyWaits"}\0': "it answers org.pyvirt",
    b"": "it has ended",
    reply({"web1": "10.0.0.300"}): "its reply is malformed",
    b"x" * 2_000_000: "its reply is malformed",
}


def follow(path: Path, connections: list[bytes], until: Callable[[NameTable], bool]) -> NameTable:
    """Serve what each connection gets, the last one for ever, until the table is like that."""
    table = NameTable()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\0")
        is_last = len(connections) == 1
        writer.write(connections[0] if is_last else connections.pop(0))
        with suppress(ConnectionResetError):
            await writer.drain()
            if is_last:
                await reader.read()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_unix_server(serve, path)
        task = asyncio.create_task(Following(path, table, lambda _: None).run())
        async with server, asyncio.timeout(SECONDS):
            while not until(table):
                assert not task.done()
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    return table


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RETRY_SECONDS", "EXPIRE_SECONDS"):
        monkeypatch.setattr(following, name, 0.05)
    monkeypatch.setattr(following, "MOST_BYTES", 1_000_000)


@pytest.mark.parametrize(("garbage", "why"), GARBAGE.items(), ids=lambda v: repr(v)[:40])
def test_nonsense_is_one_line_and_the_names_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, garbage: bytes, why: str
) -> None:
    caplog.set_level(logging.WARNING, "leasewatch")
    first = reply({"web1": "10.0.0.1"})
    last = reply({"web1": "10.0.0.1", "web2": "10.0.0.2"})
    table = follow(tmp_path / "s", [first + garbage, garbage, garbage, last], lambda t: len(t) == 2)
    assert "web1" in table.records
    said = [record.message for record in caplog.records if why in record.message]
    assert len(said) == 1, caplog.text


def test_names_that_went_meanwhile_go_when_the_service_is_back(tmp_path: Path) -> None:
    first = reply({"web1": "10.0.0.1", "web2": "10.0.0.2"})
    last = reply({"web2": "10.0.0.2"}, synced=False) + reply({"web3": "10.0.0.3"})
    table = follow(tmp_path / "s", [first, last], lambda t: "web3" in t.records)
    assert set(table.records) == {"web2", "web3"}


def test_leases_end_while_the_service_is_away(tmp_path: Path) -> None:
    ends = int(time.time()) + 1
    first = reply({"web1": "10.0.0.1"}, expires=ends) + reply({"web2": "10.0.0.2"})
    table = follow(tmp_path / "s", [first, b"", b"{"], lambda t: set(t.records) == {"web2"})
    assert time.time() >= ends
    assert table.names_at(b"\x0a\0\0\1") == []
