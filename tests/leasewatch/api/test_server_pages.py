"""Lists in pages: with `more` a reply for each, without one reply, and never much memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leasewatch.api import interface
from leasewatch.api.answers import Answers
from leasewatch.api.interface import SourceEntry
from leasewatch.api.methods import PAGE
from leasewatch.api.peers import Peers
from leasewatch.daemon.counters import Counters
from leasewatch.daemon.service_settings import Limits
from leasewatch.history.reader import HistoryReader
from leasewatch.history.rows import Event, HistoryParameters
from leasewatch.names.policy import NamePolicy, Rules
from nss_pyvirt.errors import UserError
from tests.leasewatch.api import alone

EVENT = Event(
    seq=1, time=0.0, kind="added", name=None, network=None, address=None, mac=None, why=None,
    domain=None, hostname=None, client_id=None,
)  # fmt: skip


class HarmedHistory(HistoryReader):
    """Has `pages` pages; reading one more fails."""

    def __init__(self, pages: int) -> None:
        super().__init__(Path("/nonexistent"))
        self.pages = pages

    def events(self, _asked: HistoryParameters) -> Iterator[list[Event]]:
        for _ in range(self.pages):
            yield [EVENT] * 3
        raise UserError("the file is harmed")


def replies(
    folder: Path, call: dict[str, object], *, sources: int = 0, pages: int = 0
) -> list[dict[str, Any]]:
    """All that a server answers to one call until it closes the connection."""
    rows = [SourceEntry(source=f"s{number}", state="absent") for number in range(sources)]
    answers = Answers(NamePolicy(Rules()), list, lambda: rows)
    peers = Peers(Limits(), Counters())
    server = alone.server(folder / "socket", answers, HarmedHistory(pages), peers, 7)

    async def scenario() -> bytes:
        server.start()
        try:
            async with asyncio.timeout(30):
                reader, writer = await asyncio.open_unix_connection(folder / "socket")
                writer.write(json.dumps(call).encode() + b"\0")
                writer.write_eof()
                received = await reader.read()
                writer.close()
                return received
        finally:
            await server.stop()

    *messages, rest = asyncio.run(scenario()).split(b"\0")
    return [json.loads(message) for message in messages] + ([{"torn": True}] if rest else [])


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [(0, [0]), (1, [1]), (PAGE, [PAGE]), (PAGE + 1, [PAGE, 1]), (3 * PAGE, [PAGE] * 3)],
)
def test_with_more_a_list_comes_in_pages_and_every_page_but_the_last_continues(
    tmp_path: Path, rows: int, sizes: list[int]
) -> None:
    got = replies(tmp_path, {"method": interface.SOURCES, "more": True}, sources=rows)
    assert [len(reply["parameters"]["sources"]) for reply in got] == sizes
    assert [reply.get("continues", False) for reply in got] == [True] * (len(got) - 1) + [False]
    names = [row["source"] for reply in got for row in reply["parameters"]["sources"]]
    assert names == [f"s{number}" for number in range(rows)]


@pytest.mark.parametrize("rows", [0, 1, PAGE, 2 * PAGE + 1])
def test_without_more_a_list_is_one_reply(tmp_path: Path, rows: int) -> None:
    (got,) = replies(tmp_path, {"method": interface.SOURCES}, sources=rows)
    assert set(got) == {"parameters"}
    assert len(got["parameters"]["sources"]) == rows


@pytest.mark.parametrize("more", [True, False])
def test_the_generation_comes_with_the_entries(tmp_path: Path, more: bool) -> None:
    (got,) = replies(tmp_path, {"method": interface.LIST, "more": more})
    assert got == {"parameters": {"entries": [], "generation": 7}}


def test_what_is_no_list_is_one_reply_even_with_more(tmp_path: Path) -> None:
    (got,) = replies(tmp_path, {"method": "org.varlink.service.GetInfo", "more": True})
    assert got["parameters"]["product"] == "leasewatch"


NO_HISTORY = {"error": interface.NO_HISTORY, "parameters": {"why": "the file is harmed"}}


@pytest.mark.parametrize("more", [True, False])
def test_a_history_that_cannot_be_read_is_an_error(tmp_path: Path, more: bool) -> None:
    assert replies(tmp_path, {"method": interface.EVENTS, "more": more}) == [NO_HISTORY]


def test_a_history_that_fails_half_way_is_an_error_after_some_pages(tmp_path: Path) -> None:
    page, error = replies(tmp_path, {"method": interface.EVENTS, "more": True}, pages=2)
    assert (len(page["parameters"]["events"]), page["continues"]) == (3, True)
    assert error == NO_HISTORY


def test_half_a_reply_is_none(tmp_path: Path) -> None:
    assert replies(tmp_path, {"method": interface.EVENTS}, pages=2) == [{"torn": True}]
