"""NOTIFY to secondaries on loopback: one for several changes, repeated until they ask."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest

from leasewatch.daemon.dns_settings import Place
from leasewatch.dns import notify, source_address
from leasewatch.dns.notify import Notifier
from leasewatch.dns.zone import Zone
from tests.leasewatch.dns.asking_zones import APEX, KEY, set_names, zone

SECONDS = 20


class Secondary:
    """A socket that gets NOTIFY."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind((address, 0))
        self.place = Place(address, self.socket.getsockname()[1])
        self._from: tuple[str, int] = ("", 0)

    async def got(self) -> dns.message.Message:
        """The next NOTIFY, with a sound signature."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(SECONDS):
            wire, self._from = await loop.sock_recvfrom(self.socket, 65_535)
        return dns.message.from_wire(wire, keyring=KEY)

    async def reply(
        self, message: dns.message.Message, rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    ) -> None:
        """Answer it."""
        reply = dns.message.make_response(message)
        reply.set_rcode(rcode)
        await asyncio.get_running_loop().sock_sendto(self.socket, reply.to_wire(), self._from)

    def more(self) -> int:
        """How many more have arrived."""
        count = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                self.socket.recv(65_535)
                count += 1
        return count


@pytest.fixture
def secondary() -> Iterator[Secondary]:
    one = Secondary()
    yield one
    one.socket.close()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is repeated while a busy machine is slow to reply; some tests change that."""
    monkeypatch.setattr(notify, "UNANSWERED", (30.0,))


@asynccontextmanager
async def running(served: Zone, *secondaries: Secondary) -> AsyncIterator[Notifier]:
    """A notifier of one zone that listens on loopback."""
    zones = {served.apex: served}
    places = [one.place for one in secondaries]
    made = Notifier(places, [Place("127.0.0.1", 53)], KEY, zones.get)
    try:
        yield made
    finally:
        made.stop()


async def until(met: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(SECONDS):
        while not met():  # noqa: ASYNC110  nothing tells us
            await asyncio.sleep(0.01)


def in_loop(test: Callable[[Secondary], Awaitable[None]]) -> Callable[[Secondary], None]:
    """A test that runs in an event loop."""

    def run(secondary: Secondary) -> None:
        asyncio.run(test(secondary))  # type: ignore[arg-type]

    run.__name__ = test.__name__
    return run


@in_loop
async def test_a_notify_has_the_soa_and_is_signed(secondary: Secondary) -> None:
    async with running(zone(), secondary) as notifier:
        notifier.zone_changed(zone())
        message = await secondary.got()
    assert message.opcode() == dns.opcode.NOTIFY
    assert message.flags & dns.flags.AA
    assert (message.question[0].name.to_text(), message.question[0].rdtype) == (
        APEX + ".",
        dns.rdatatype.SOA,
    )
    assert message.answer[0][0].serial == 1000


@in_loop
async def test_changes_of_one_moment_are_one_notify_with_the_last_serial(
    secondary: Secondary,
) -> None:
    served = zone()
    async with running(served, secondary) as notifier:
        for number in range(100):
            set_names(served, [number], 1001.0 + number, last=7)
            notifier.zone_changed(served)
        message = await secondary.got()
        assert message.answer[0][0].serial == served.serial
        notifier.asked(APEX, "127.0.0.1", served.serial, "zone")
        await asyncio.sleep(0.05)
        assert secondary.more() == 0


@in_loop
async def test_it_is_repeated_until_the_secondary_asks_for_the_serial(
    secondary: Secondary,
) -> None:
    served = zone()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(notify, "UNANSWERED", (0.05, 0.1))
        async with running(served, secondary) as notifier:
            notifier.start([served])
            for _ in range(3):
                await secondary.got()
            notifier.asked(APEX, "127.0.0.1", 999, "zone")
            assert notifier.waiting() == [(APEX, secondary.place)]
            notifier.asked(APEX, "127.0.0.1", 1000, "zone")
            assert notifier.waiting() == []


@in_loop
async def test_one_more_follows_a_transfer_and_the_reply_to_it_is_the_end(
    secondary: Secondary,
) -> None:
    served = zone()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(notify, "_CONFIRM", 0.05)
        async with running(served, secondary) as notifier:
            notifier.zone_changed(served)
            heard = await secondary.got()
            notifier.asked(APEX, "127.0.0.1", 1000, "zone")
            await secondary.reply(heard)
            again = await secondary.got()
            notifier.asked(APEX, "127.0.0.1", 1000, "zone")  # the transfer was lost
            await secondary.reply(again)
            await secondary.reply(await secondary.got())
            await asyncio.sleep(0.3)
            assert (secondary.more(), notifier.sent) == (0, 3)


@in_loop
async def test_a_reply_is_not_enough_but_slows_the_repetition(secondary: Secondary) -> None:
    served = zone()
    async with running(served, secondary) as notifier:
        notifier.zone_changed(served)
        await secondary.reply(await secondary.got())
        loop = asyncio.get_running_loop()
        before = loop.time()
        await secondary.got()
        assert loop.time() - before > 0.5


@in_loop
async def test_who_asks_for_the_soa_alone_hears_more_until_it_has_answered_often(
    secondary: Secondary,
) -> None:
    served = zone()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(notify, "_MOST_ANSWERED", 0.01)
        async with running(served, secondary) as notifier:
            notifier.zone_changed(served)
            heard = await secondary.got()
            notifier.asked(APEX, "127.0.0.1", 1000, "soa")
            for _ in range(5):
                await secondary.reply(heard)
                heard = await secondary.got()
            assert notifier.waiting()
            await secondary.reply(heard)
            await until(lambda: not notifier.waiting())


@in_loop
async def test_a_secondary_may_ask_from_another_address_once_it_has_answered(
    secondary: Secondary,
) -> None:
    silent = Secondary()
    served = zone()
    async with running(served, secondary, silent) as notifier:
        notifier.zone_changed(served)
        await secondary.reply(await secondary.got())

        def one_is_left() -> bool:
            notifier.asked(APEX, "10.99.0.77", 1000, "zone")
            return len(notifier.waiting()) == 1

        await until(one_is_left)
        assert notifier.waiting() == [(APEX, silent.place)]
    silent.socket.close()


@in_loop
async def test_a_silent_secondary_is_not_told_more_often_when_more_changes(
    secondary: Secondary,
) -> None:
    served = zone()
    async with running(served, secondary) as notifier:
        notifier.zone_changed(served)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(notify, "UNANSWERED", (0.01, 0.01, 30.0))
            for _ in range(3):
                await secondary.got()
            for number in range(20):
                set_names(served, [number], 1001.0 + number, last=7)
                notifier.zone_changed(served)
                await asyncio.sleep(0.01)
            assert secondary.more() == 0


@in_loop
async def test_a_silent_secondary_that_asks_is_told_of_the_next_change_at_once(
    secondary: Secondary,
) -> None:
    served = zone()
    async with running(served, secondary) as notifier:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(notify, "UNANSWERED", (0.01, 0.01, 30.0))
            notifier.zone_changed(served)
            for _ in range(3):
                await secondary.got()
            notifier.asked(APEX, "127.0.0.1", 1000, "soa")
            set_names(served, [1], 1001.0, last=7)
            notifier.zone_changed(served)
            heard = await secondary.got()
            assert heard.answer[0][0].serial == served.serial


def test_a_refusal_is_logged_once(secondary: Secondary, caplog: pytest.LogCaptureFixture) -> None:
    @in_loop
    async def refuse(secondary: Secondary) -> None:
        served = zone()
        async with running(served, secondary) as notifier:
            notifier.zone_changed(served)
            await secondary.reply(await secondary.got(), dns.rcode.NOTAUTH)
            await secondary.reply(await secondary.got(), dns.rcode.NOTAUTH)
            await asyncio.sleep(0.05)

    refuse(secondary)
    (line,) = caplog.messages
    assert line.startswith("NOTIFY refused, trying again by=127.0.0.1:")
    assert f"zone={APEX} why=NOTAUTH hint=" in line


def test_a_secondary_that_answers_nothing_is_logged_once(
    secondary: Secondary, caplog: pytest.LogCaptureFixture
) -> None:
    @in_loop
    async def run(secondary: Secondary) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(notify, "UNANSWERED", (0.01,))
            async with running(zone(), secondary) as notifier:
                notifier.zone_changed(zone())
                for _ in range(30):
                    await secondary.got()

    run(secondary)
    (line,) = caplog.messages
    assert line.startswith(f"NOTIFY not answered, repeating it to={secondary.place} zone={APEX}")


def test_a_zone_that_is_gone_is_not_told_of(secondary: Secondary) -> None:
    @in_loop
    async def run(secondary: Secondary) -> None:
        zones: dict[str, Zone] = {}
        notifier = Notifier([secondary.place], [Place("127.0.0.1", 53)], KEY, zones.get)
        notifier.zone_changed(zone())
        await asyncio.sleep(0.05)
        assert (notifier.sent, notifier.waiting()) == (0, [])
        notifier.stop()

    run(secondary)


def test_a_peer_is_told_of_the_one_zone_that_it_pulls(secondary: Secondary) -> None:
    @in_loop
    async def run(secondary: Secondary) -> None:
        zones = {apex: zone() for apex in (APEX, "catalog.vm.example.org")}
        zones["catalog.vm.example.org"].apex = "catalog.vm.example.org"
        only = {secondary.place: APEX}
        notifier = Notifier([secondary.place], [Place("127.0.0.1", 53)], KEY, zones.get, only)
        notifier.start(zones.values())
        assert (await secondary.got()).question[0].name.to_text() == f"{APEX}."
        assert notifier.waiting() == [(APEX, secondary.place)]
        notifier.stop()

    run(secondary)


@pytest.mark.parametrize(
    ("target", "listens", "source"),
    [
        ("127.0.0.1", ["127.0.0.1"], "127.0.0.1"),
        ("127.0.0.1", ["127.0.0.2", "127.0.0.1"], "127.0.0.1"),
        ("127.0.0.1", ["127.0.0.2"], "127.0.0.2"),
        ("127.0.0.1", ["::1", "127.0.0.2"], "127.0.0.2"),
        ("127.0.0.1", ["10.99.0.2", "127.0.0.2"], "127.0.0.2"),
        ("10.255.255.1", ["127.0.0.2", "10.99.0.2"], "10.99.0.2"),
        ("127.0.0.1", ["0.0.0.0"], ""),
        ("::1", ["127.0.0.1", "::"], ""),
    ],
)
def test_it_comes_from_an_address_where_we_listen(
    target: str, listens: list[str], source: str
) -> None:
    assert source_address.choose(Place(target, 53), [Place(one, 53) for one in listens]) == source


def test_a_secondary_of_a_family_without_a_listening_address_is_a_line_in_the_log(
    secondary: Secondary, caplog: pytest.LogCaptureFixture
) -> None:
    @in_loop
    async def run(secondary: Secondary) -> None:
        served = zone()
        notifier = Notifier([secondary.place], [Place("::1", 53)], KEY, {APEX: served}.get)
        notifier.zone_changed(served)
        await asyncio.sleep(0.3)
        notifier.stop()

    run(secondary)
    (line,) = caplog.messages
    assert line.endswith('why="[dns] listen has no IPv4 address"')
