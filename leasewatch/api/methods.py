"""The methods of the Varlink interface `org.pyvirt.LeaseWatch`. Their docstrings are its comments.

A method that returns an AsyncIterator answers with a list in pages; each page is bounded, so
neither 100,000 leases nor a long history take much memory, and others get their turn in between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import islice
from typing import Annotated, Final, TypeVar

import msgspec

from leasewatch.api.answers import Answers
from leasewatch.api.description import waits
from leasewatch.api.feed import Feed
from leasewatch.api.interface import (
    EventsReply,
    HistoryReply,
    ListReply,
    MonitorParameters,
    MonitorReply,
    NoHistory,
    NoSuchName,
    ResolveParameters,
    ResolveReply,
    SourcesReply,
    TooManyWaits,
    WaitParameters,
    WaitReply,
)
from leasewatch.api.records import Records
from leasewatch.api.records_interface import RecordsReply
from leasewatch.api.waits import Waits
from leasewatch.history.reader import HistoryReader
from leasewatch.history.rows import HistoryParameters
from nss_pyvirt.errors import UserError

PAGE: Final = 200
"""Rows of a page, except the history's, whose reader has its own size."""
ERRORS: Final = (NoHistory, NoSuchName, TooManyWaits)
"""What a method may answer instead of its reply."""

_T = TypeVar("_T")


class MethodError(Exception):
    """A method answers with an error; `parameters` is one of ERRORS."""

    def __init__(self, parameters: msgspec.Struct) -> None:
        super().__init__(type(parameters).__name__)
        self.parameters = parameters


class LeaseWatch:
    """The leases of the virtual machines on this host, and the names they answer to."""

    def __init__(
        self,
        answers: Answers,
        feed: Feed,
        records: Records,
        waits: Waits,
        history: HistoryReader,
        generation: Callable[[], int],
    ) -> None:
        self._answers = answers
        self._feed = feed
        self._records = records
        self._waits = waits
        self._history = history
        self._generation = generation

    async def sources(self) -> AsyncIterator[SourcesReply]:
        """Where leases come from, and what is wrong there."""
        for page in pages(self._answers.sources()):
            yield SourcesReply(sources=page)

    async def list(self) -> AsyncIterator[ListReply]:
        """Every candidate for a name, and the generation of the published host table."""
        generation = self._generation()
        for page in pages(self._answers.entries()):
            yield ListReply(entries=page, generation=generation)

    def resolve(self, asked: ResolveParameters) -> ResolveReply:
        """What a name or an address answers. Case and a final dot do not count."""
        found = self._answers.resolve(asked.query, time.time())
        if isinstance(found, NoSuchName):
            raise MethodError(found)
        return found

    @waits
    def monitor(self, asked: MonitorParameters) -> AsyncIterator[Annotated[bytes, MonitorReply]]:
        """Every candidate for a name, and then each event as it comes.

        A client that does not read is cut off.
        """
        return self._feed.watch(asked.since)

    @waits
    def records(self) -> AsyncIterator[Annotated[bytes, RecordsReply]]:
        """What every published name answers, and then each change, after it was published.

        A client that does not read is cut off.
        """
        return self._records.follow()

    @waits
    async def wait(self, asked: WaitParameters) -> WaitReply:
        """Answers as soon as the name has an address, or none any more, at the latest in time."""
        return await self._waits.wait(asked)

    async def history(self, asked: HistoryParameters) -> AsyncIterator[HistoryReply]:
        """Who held which address when, the newest first."""
        async for page in _read_in_threads(self._history.holdings(asked)):
            yield HistoryReply(holdings=page)

    async def events(self, asked: HistoryParameters) -> AsyncIterator[EventsReply]:
        """What happened, the newest first."""
        async for page in _read_in_threads(self._history.events(asked)):
            yield EventsReply(events=page)


def pages(rows: Iterable[_T]) -> Iterator[list[_T]]:
    """Lists of PAGE rows; one empty list if there are none."""
    left = iter(rows)
    yield list(islice(left, PAGE))
    while page := list(islice(left, PAGE)):
        yield page


async def _read_in_threads(pages: Iterator[list[_T]]) -> AsyncIterator[list[_T]]:
    """Read each page in a thread; one empty list if there are none. NoHistory on failure."""

    def following() -> list[_T]:
        return next(pages, [])

    try:
        yield await asyncio.to_thread(following)
        while page := await asyncio.to_thread(following):
            yield page
    except UserError as error:
        raise MethodError(NoHistory(why=error.what)) from None
