"""The Varlink server inside a loop of the test's own: what else is due there gets its turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest

from leasewatch.api import interface
from leasewatch.api import peers as connected
from leasewatch.api.answers import Answers
from leasewatch.api.interface import SourceEntry
from leasewatch.api.peers import Peers
from leasewatch.daemon.counters import Counters
from leasewatch.daemon.seats import Credentials
from leasewatch.daemon.service_settings import Limits
from leasewatch.history.reader import HistoryReader
from leasewatch.names.policy import NamePolicy, Rules
from tests.leasewatch.api import alone

CALLS = 500
Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def peers(most: int) -> Peers:
    return Peers(Limits(connections=most), Counters())


class Turns:
    """Counts the turns of the loop, and notes at which one each call is answered."""

    def __init__(self) -> None:
        self.now = 0
        self.answered: list[int] = []

    def sources(self) -> list[SourceEntry]:
        self.answered.append(self.now)
        return []

    @asynccontextmanager
    async def counted(self) -> AsyncIterator[None]:
        async def count() -> None:
            while True:
                self.now += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        try:
            yield
        finally:
            counting.cancel()
            with suppress(asyncio.CancelledError):
                await counting


def test_between_two_calls_of_one_peer_everybody_else_has_a_turn(tmp_path: Path) -> None:
    path, turns = tmp_path / "socket", Turns()
    answers = Answers(NamePolicy(Rules()), list, turns.sources)
    server = alone.server(path, answers, HistoryReader(tmp_path / "none"), peers(100))

    async def scenario() -> None:
        server.start()
        try:
            async with asyncio.timeout(30), turns.counted():
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write((json.dumps({"method": interface.SOURCES}).encode() + b"\0") * CALLS)
                for _ in range(CALLS):
                    await reader.readuntil(b"\0")
                writer.close()
        finally:
            await server.stop()

    asyncio.run(scenario())
    assert len(turns.answered) == CALLS
    assert all(before < after for before, after in pairwise(turns.answered))


@pytest.mark.parametrize("newcomer", [0, 1004])
def test_many_users_do_not_keep_another_from_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newcomer: int
) -> None:
    crowd = [1001, 1001, 1001, 1002, 1003]
    uids = iter([*crowd, newcomer])
    monkeypatch.setattr(connected, "credentials", lambda _: Credentials(1, next(uids), 1))
    faults: list[object] = []
    path = tmp_path / "socket"
    answers = Answers(NamePolicy(Rules()), list, list)
    server = alone.server(path, answers, HistoryReader(tmp_path / "none"), peers(len(crowd)))

    async def ask(peer: Peer) -> bytes:
        reader, writer = peer
        with suppress(OSError):
            writer.write(json.dumps({"method": interface.SOURCES}).encode() + b"\0")
            return await reader.read(4096)
        return b""

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, said: faults.append(said))
        server.start()
        peers = list[Peer]()
        try:
            async with asyncio.timeout(30):
                for _ in [*crowd, newcomer]:
                    peers.append(await asyncio.open_unix_connection(path))
                    if len(peers) <= len(crowd):
                        assert await ask(peers[-1])
                assert await ask(peers[-1])
                dropped = [bool(newcomer), False, False, False, False]
                assert [await ask(peer) == b"" for peer in peers[:-1]] == dropped
        finally:
            for _, writer in peers:
                writer.close()
            await server.stop()

    asyncio.run(scenario())
    assert not faults
