"""The DNS server's sockets, with clients that are slow, greedy or broken."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, closing

import pytest

from leasewatch.daemon.dns_settings import Place
from leasewatch.dns import listener, streams
from leasewatch.dns.asking import Asker, Reply
from leasewatch.dns.listener import Listener
from tests.in_loop import in_loop, until
from tests.leasewatch import logged
from tests.name_servers import free_port


class Echo:
    """Replies with the message; `STREAM` gets as many as it says, `LATER` waits for `later`."""

    def __init__(self) -> None:
        self.askers: list[Asker] = []
        self.later: asyncio.Future[Iterable[bytes]] | None = None
        self.sent = 0
        self.listener = Listener([], self.respond)

    def respond(self, data: bytes, asker: Asker) -> Reply:
        self.askers.append(asker)
        if data.startswith(b"STREAM"):
            return self._stream(int(data[6:]))
        if data == b"LATER":
            self.later = asyncio.get_running_loop().create_future()
            return self.later
        return [data] if data != b"NOTHING" else []

    def _stream(self, many: int) -> Iterator[bytes]:
        for _ in range(many):
            self.sent += 1
            yield bytes(60_000)


@asynccontextmanager
async def listening(*addresses: str) -> AsyncIterator[tuple[Echo, int]]:
    echo, port = Echo(), free_port()
    made = echo.listener = Listener([Place(one, port) for one in addresses], echo.respond)
    made.start()
    assert len(made.bound()) == len(addresses)
    try:
        yield echo, port
    finally:
        made.stop()
        await asyncio.sleep(0)


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


@asynccontextmanager
async def connected(
    address: str, port: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(address, port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def message(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))


def udp(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.connect((address, port))  # so that a reply from elsewhere is not received
    return made


async def asked(sock: socket.socket, data: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, data)
    return await loop.sock_recv(sock, 4096)


@pytest.mark.parametrize(
    ("bound", "address"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.9"), ("::1", "::1"), ("::", "::1")],
)
@in_loop
async def test_a_datagram_is_answered_from_the_address_that_was_asked(
    bound: str, address: str
) -> None:
    async with listening(bound) as (echo, port):
        with closing(udp(address, port)) as sock:
            assert await asked(sock, b"x") == b"x"
            await asyncio.get_running_loop().sock_sendall(sock, b"LATER")
            await until(lambda: echo.later is not None)
            assert echo.later is not None
            echo.later.set_result([b"then"])
            assert await asyncio.get_running_loop().sock_recv(sock, 99) == b"then"
    assert {(one.local, one.is_tcp) for one in echo.askers} == {(address, False)}


@in_loop
async def test_several_messages_on_one_connection_are_answered_in_order() -> None:
    async with (
        listening("127.0.0.1") as (echo, port),
        connected("127.0.0.1", port) as (reader, writer),
    ):
        sent = [b"one", b"NOTHING", b"two", b"", b"three" * 9000]
        writer.write(b"".join(map(framed, sent)))
        assert [await message(reader) for _ in range(4)] == [sent[0], *sent[2:]]
        for byte in framed(b"slowly"):
            writer.write(bytes([byte]))
            await asyncio.sleep(0.001)
        assert await message(reader) == b"slowly"
    assert {(one.local, one.is_tcp) for one in echo.askers} == {("127.0.0.1", True)}


@in_loop
async def test_a_long_stream_waits_for_its_reader_and_lets_others_ask() -> None:
    async with (
        listening("127.0.0.1") as (echo, port),
        connected("127.0.0.1", port) as (reader, writer),
    ):
        reader._limit = 4096  # type: ignore[attr-defined]  # it reads no further by itself
        writer.write(framed(b"STREAM1000"))
        await until(lambda: echo.sent > 1)
        async with connected("127.0.0.1", port) as (other, asking):
            asking.write(framed(b"x"))
            assert await message(other) == b"x"
        assert echo.sent < 1000
        for _ in range(1000):
            assert len(await message(reader)) == 60_000


@pytest.mark.parametrize("half", [b"", b"\0", b"\0\5ab"])
@in_loop
async def test_a_client_that_sends_no_whole_message_in_time_is_ended(
    monkeypatch: pytest.MonkeyPatch, half: bytes
) -> None:
    monkeypatch.setattr(streams, "IDLE_SECONDS", 0.1)
    async with (
        listening("127.0.0.1") as (_, port),
        connected("127.0.0.1", port) as (reader, writer),
    ):
        writer.write(half)
        assert await reader.read() == b""


@in_loop
async def test_a_client_that_takes_no_reply_in_time_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "SEND_SECONDS", 0.1)
    async with listening("127.0.0.1") as (echo, port):
        with closing(socket.create_connection(("127.0.0.1", port), 20)) as sock:
            sock.sendall(framed(b"STREAM100000"))
            await until(lambda: echo.sent and not echo.listener.connections())
    assert echo.sent < 100_000


@in_loop
async def test_each_client_has_a_share_of_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST", 3)
    monkeypatch.setattr(streams, "MOST_OF_CLIENT", 2)
    async with (
        listening("0.0.0.0", "::1") as (_, port),
        connected("127.0.0.1", port) as (first, _),
        connected("127.0.0.1", port),
        connected("127.0.0.1", port) as (third, _),
        connected("::1", port),
        connected("::1", port) as (other, asking),
    ):
        assert await third.read() == b""
        assert await first.read() == b""
        asking.write(framed(b"x"))
        assert await message(other) == b"x"


@in_loop
async def test_a_port_that_is_taken_is_logged_once_and_bound_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listener, "_RETRY_SECONDS", 0.02)
    port = free_port()
    made = Listener([Place("127.0.0.1", port), Place("::1", port)], Echo().respond)
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind(("127.0.0.1", port))
        made.start()
        await asyncio.sleep(0.1)
        assert made.bound() == [Place("::1", port)]
        (fault,) = made.unbound()
        assert (fault.address, fault.error) == (f"127.0.0.1:{port}", "Address already in use")
    await until(lambda: len(made.bound()) == 2)
    assert made.unbound() == []
    made.stop()
    (line,) = [line for line in logged.LOG.getvalue().splitlines() if "cannot listen" in line]
    assert f"ss -lntup 'sport = {port}'" in line


@in_loop
async def test_an_address_that_comes_later_is_bound_before() -> None:
    async with listening("203.0.113.7", "2001:db8::7"):
        assert not [line for line in logged.LOG.getvalue().splitlines() if "cannot listen" in line]
