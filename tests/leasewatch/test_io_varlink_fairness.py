"""The Varlink server inside a loop of the test's own: what else is due there gets its turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

from leasewatch.io import varlink_interface as interface
from leasewatch.io.answers import Answers
from leasewatch.io.history_reader import HistoryReader
from leasewatch.io.varlink import VarlinkServer
from leasewatch.io.varlink_interface import SourceEntry
from leasewatch.names.policy import NamePolicy, Rules

CALLS = 500


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
    server = VarlinkServer(path, answers, HistoryReader(tmp_path / "none"), lambda: 0)

    async def scenario() -> None:
        await server.start()
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
