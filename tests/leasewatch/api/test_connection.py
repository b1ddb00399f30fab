"""The framing: bytes may come in any pieces, and exactly the calls in them come out."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leasewatch.api import connection as connections
from leasewatch.api.connection import Connection
from leasewatch.api.interface import MAX_CALL
from leasewatch.api.turns import CALLS_SECONDS, Turns

MESSAGES = st.binary(max_size=40).map(lambda data: data.replace(b"\0", b"x"))
PIECES = st.lists(st.integers(1, 50), max_size=20)


class Wire(asyncio.Transport):
    """What a connection sees of its socket."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = ""
        self.over = asyncio.Event()
        self.reading = True
        self.sent = b""

    def abort(self) -> None:
        self.ended = "aborted"
        self.over.set()

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del high, low


class Served:
    """A connection whose calls are noted; `answer` tells whether at once."""

    def __init__(self, *, at_once: bool = True, keep_idle: bool = False) -> None:
        self.calls: list[bytes] = []
        self.wire = Wire()
        self.faulty: bool | None = None
        self._at_once = at_once
        self.connection = Connection(self._ready, self._ended, keep_idle=keep_idle)
        self.connection.connection_made(self.wire)

    def _ready(self, connection: Connection) -> None:
        self.calls.append(connection.call())
        if self._at_once:
            connection.finish()

    def _ended(self, _connection: Connection, faulty: bool) -> None:
        self.faulty = faulty

    def receive(self, data: bytes) -> None:
        """As the event loop does it; it reads nothing while it is told to pause."""
        while data and self.wire.reading and not self.wire.ended:
            buffer = self.connection.get_buffer(-1)
            piece, data = data[: len(buffer)], data[len(buffer) :]
            buffer[: len(piece)] = piece
            self.connection.buffer_updated(len(piece))

    def lose(self) -> None:
        self.connection.connection_lost(None)


def run(scenario: Coroutine[None, None, None]) -> None:
    asyncio.run(scenario)


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    for size in sizes:
        yield data[:size]
        data = data[size:]
    yield data


@given(st.lists(MESSAGES, max_size=8), MESSAGES, PIECES)
@example([b""], b"", [])
@example([b"a" * 40] * 8, b"b", [1] * 20)
@settings(max_examples=200)
def test_calls_are_found_however_their_bytes_are_cut(
    messages: list[bytes], rest: bytes, sizes: list[int]
) -> None:
    async def scenario() -> None:
        served = Served()
        for piece in cut(b"".join(message + b"\0" for message in messages) + rest, sizes):
            served.receive(piece)
        assert (served.calls, served.wire.ended) == (messages, "")
        served.connection.eof_received()
        assert served.wire.ended == "closed"
        served.lose()
        assert served.faulty is False

    run(scenario())


@pytest.mark.parametrize("size", [1, 1000, 65536, 1 << 20])
@pytest.mark.parametrize("end", [b"", b"\0"])
def test_a_call_that_is_too_long_ends_the_connection(size: int, end: bytes) -> None:
    async def scenario() -> None:
        served = Served()
        left = b"x" * MAX_CALL + end
        while left and not served.wire.ended:
            served.receive(left[:size])
            left = left[size:]
        assert (served.wire.ended, served.calls) == ("aborted", [])
        served.lose()
        assert served.faulty is True

    run(scenario())


def test_the_longest_call_is_taken() -> None:
    async def scenario() -> None:
        served = Served()
        served.receive(b"x" * (MAX_CALL - 1) + b"\0")
        assert [len(call) for call in served.calls] == [MAX_CALL - 1]
        served.lose()

    run(scenario())


def test_while_a_call_is_answered_only_so_much_is_read() -> None:
    async def scenario() -> None:
        served = Served(at_once=False)
        served.receive(b"first\0" + b"second\0" * MAX_CALL)
        assert served.calls == [b"first"]
        assert not served.wire.reading
        served.connection.finish()
        assert served.calls == [b"first", b"second"]
        assert not served.wire.ended
        served.lose()

    run(scenario())


def test_a_peer_that_does_not_read_gets_no_further_answers() -> None:
    async def scenario() -> None:
        served = Served()
        served.connection.pause_writing()
        served.receive(b"one\0two\0")
        assert served.calls == [b"one"]
        served.connection.resume_writing()
        await asyncio.sleep(0)
        assert served.calls == [b"one", b"two"]
        served.lose()

    run(scenario())


@pytest.mark.parametrize("patient", [False, True])
@pytest.mark.parametrize("reads", [False, True])
def test_only_a_call_that_waits_may_take_long(
    monkeypatch: pytest.MonkeyPatch, *, patient: bool, reads: bool
) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.05)

    async def scenario() -> None:
        served = Served(at_once=False)
        served.receive(b"call\0")
        served.connection.run(asyncio.sleep(3600), patient=patient)
        if not reads:
            served.connection.pause_writing()
        if patient and reads:
            await asyncio.sleep(0.2)
            assert not served.wire.ended
        else:
            async with asyncio.timeout(60):
                await served.wire.over.wait()
        served.lose()

    run(scenario())


@pytest.mark.parametrize("sent", [b"", b"half"])
def test_an_idle_peer_is_cut_off(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.05)

    async def scenario() -> None:
        served = Served()
        served.receive(sent)
        async with asyncio.timeout(60):
            await served.wire.over.wait()
        served.lose()
        assert served.faulty is True

    run(scenario())


@pytest.mark.parametrize("before", [b"", b"call\0"])
def test_where_it_is_wanted_a_peer_may_be_silent_but_only_between_two_calls(
    monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.05)

    async def scenario() -> None:
        served = Served(keep_idle=True)
        served.receive(before)
        await asyncio.sleep(0.2)
        assert not served.wire.ended
        served.receive(b"half")
        async with asyncio.timeout(60):
            await served.wire.over.wait()
        served.lose()
        assert served.faulty is True

    run(scenario())


def test_the_end_of_a_peer_ends_what_it_waited_for() -> None:
    async def scenario() -> None:
        served = Served(at_once=False)
        served.receive(b"call\0")
        waiting = asyncio.Event()
        ended = asyncio.Event()

        async def wait() -> None:
            try:
                waiting.set()
                await asyncio.sleep(3600)
            finally:
                ended.set()

        served.connection.run(wait(), patient=True)
        await waiting.wait()
        served.connection.eof_received()
        assert served.wire.ended == "aborted"
        served.lose()
        async with asyncio.timeout(60):
            await ended.wait()

    run(scenario())


def test_a_crowd_leaves_every_round_of_the_loop_time_for_others() -> None:
    async def scenario() -> None:
        turns = Turns()
        answered = rounds = 0

        def answer() -> None:
            nonlocal answered
            answered += 1
            until = asyncio.get_running_loop().time() + CALLS_SECONDS / 4
            while asyncio.get_running_loop().time() < until:
                pass

        for _ in range(100):
            turns.call(answer)
        pages = [asyncio.create_task(turns.page()) for _ in range(20)]
        while answered < 100 or not all(page.done() for page in pages):
            await asyncio.sleep(0)
            rounds += 1
        assert rounds >= 20

    run(scenario())
