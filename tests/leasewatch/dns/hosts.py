"""Other hosts of the site, in the test's process: an honest one, and a liar."""

from __future__ import annotations

import asyncio
import functools
import struct
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rrset
import dns.tsig

from leasewatch import addresses
from leasewatch.dns import wire
from leasewatch.dns.signatures import Signatures
from leasewatch.dns.transfers import Transfers
from leasewatch.dns.zone import Head, Zone
from tests.leasewatch.dns.asking_zones import KEY, FakeAsker

SITE = "example.org"


class Server:
    """Answers over TCP on a port of its own of 127.0.0.1, while it is entered."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.apex = f"{host}.vm.{SITE}"
        self.port = 0
        self.asked: list[str] = []
        """The type of each request."""
        self.key = KEY
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        await self.appear()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.vanish()

    async def appear(self) -> None:
        """Listen, at the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def vanish(self) -> None:
        """Listen no more and drop all connections."""
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                for one in self.reply(await reader.readexactly(length)):
                    writer.write(struct.pack("!H", len(one)) + one)
                    await writer.drain()
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def reply(self, wire: bytes) -> Iterable[bytes]:
        """The messages that answer a request."""
        raise NotImplementedError


class Host(Server):
    """An honest host; `set` changes its zone."""

    def __init__(self, host: str, **names: str) -> None:
        super().__init__(host)
        self.expire = 600
        self.zone = self.new_zone()
        self.set(names)

    def new_zone(self) -> Zone:
        """A zone without names."""
        return Zone(self.apex, Head((f"ns1.{SITE}",), refresh=30, expire=self.expire))

    def set(self, names: dict[str, str], now: float = 0) -> None:
        """Give each name, relative to the zone, these addresses (separated by spaces)."""
        wanted = {
            wire.relative(name.replace("__", ".")): [
                wire.address(addresses.parse(one)) for one in held.split()
            ]
            for name, held in names.items()
        }
        step = self.zone.plan(wanted, now or self.zone.serial or 1_000_000)
        if step is not None:
            self.zone.apply(step)

    def reply(self, wire: bytes) -> Iterable[bytes]:
        signatures = Signatures({self.key.name: self.key})
        message = signatures.read(wire, FakeAsker())
        if isinstance(message, bytes):
            return [message]
        self.asked.append(message.question[0].rdtype.name)
        find = {self.apex: self.zone}.get
        transfers = Transfers(find, self.key.name, signatures, lambda *_: None)
        return transfers.respond(message, FakeAsker())


class Liar(Server):
    """A host with the right key that sends these records after its SOA; `endless`: for ever."""

    def __init__(self, host: str, *records: str, soa: str = "1 30 10 600 5") -> None:
        super().__init__(host)
        self.records = records
        self.soa = soa
        self.endless = False

    def reply(self, wire: bytes) -> Iterator[bytes]:
        query = dns.message.from_wire(wire, keyring=KEY)
        self.asked.append(query.question[0].rdtype.name)
        origin = dns.name.from_text(self.apex)
        soa = f"@ SOA ns1.{SITE}. hostmaster.{SITE}. {self.soa}"
        context = None
        first = True
        while first or self.endless:
            reply = dns.message.make_response(query)
            reply.flags |= dns.flags.AA
            texts = [soa] * first + [*self.records] + [soa] * (not self.endless)
            for text in texts:
                name, rdtype, data = text.split(" ", 2)
                owner = dns.name.from_text(name, origin)
                reply.answer.append(dns.rrset.from_text(owner, 5, "IN", rdtype, data))
            first = False
            message = reply.to_wire(multi=True, tsig_ctx=context, max_size=65535)
            context = reply.tsig_ctx
            yield message


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A test that is a coroutine, with a minute for all of it."""

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        async def limited() -> None:
            async with asyncio.timeout(60):
                await test(*args, **kwargs)

        asyncio.run(limited())

    return run


async def until(what: str, predicate: Callable[[], object], seconds: float = 30) -> None:
    """Wait for a state."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not predicate():
        assert loop.time() < deadline, f"waited {seconds} s in vain for {what}"
        await asyncio.sleep(0.01)
