"""The pending socket with real peers: what they get and when, and that none costs much."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from leasewatch.hosttable import pending
from leasewatch.hosttable.pending import Limits, PendingServer
from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import Address, Host

FAR = 4_000_000_000
ADDRESS = Address(socket.AF_INET, socket.inet_aton("10.77.0.5"), FAR)
LINK_LOCAL = Address(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "fe80::5"), FAR, 4)
WEB1 = Host(("web1", "web1.lab.internal"), (), FAR, frozenset({socket.AF_INET}))
LEASED = WEB1._replace(addresses=(ADDRESS,), pending_until=0)
PUBLISHED, GAVE_UP, DROPPED = b"published", b"gave up", b""


class Served:
    """A table and its server, in the running loop."""

    def __init__(self, folder: Path, limits: Limits | None) -> None:
        self.path = folder / "pending.sock"
        self.table = folder / "hosts.v1"
        self.server = PendingServer(self.path, self.table, limits)
        self.write(WEB1)

    def write(self, *hosts: Host) -> None:
        self.table.write_bytes(snapshot.encode(hosts, generation=1, published=1))
        self.table.chmod(0o644)

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.setblocking(False)
        client.connect(str(self.path))
        return client

    async def ask(self, name: bytes) -> socket.socket:
        client = self.connect()
        client.send(name)
        await asyncio.sleep(0.05)
        return client


@contextlib.asynccontextmanager
async def serving(folder: Path, limits: Limits | None = None) -> AsyncIterator[Served]:
    made = Served(folder, limits)
    made.server.start()
    try:
        yield made
    finally:
        made.server.stop()


async def told(client: socket.socket) -> bytes:
    """The next packet, empty when the connection has ended; and then it ends."""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionResetError):
            return await asyncio.get_running_loop().sock_recv(client, 64)
    return DROPPED


async def waits(client: socket.socket) -> bool:
    """Whether it has got no answer yet."""
    await asyncio.sleep(0.05)
    try:
        client.recv(64)
    except BlockingIOError:
        return True
    return False


def test_a_waiting_lookup_ends_when_its_name_is_published(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path) as served:
            with await served.ask(b"web1") as client, await served.ask(WEB1.names[1].encode()) as b:
                assert await waits(client)
                served.server.published()
                assert await waits(client)
                served.write(LEASED)
                served.server.published()
                assert [await told(client), await told(b)] == [PUBLISHED, PUBLISHED]
                assert await told(client) == DROPPED

    asyncio.run(run())


def test_a_wait_for_one_family_ends_when_it_is_published_or_will_not_come(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        async with serving(tmp_path) as served:
            served.write(WEB1._replace(expect=frozenset({socket.AF_INET, socket.AF_INET6})))
            questions = (b"web1", b"web1\x004", b"web1\x006", b"web1\0?")
            either, four, six, unclear = [await served.ask(asked) for asked in questions]
            awaits6 = frozenset({socket.AF_INET6})
            there = (ADDRESS, LINK_LOCAL)
            served.write(WEB1._replace(addresses=there, expect=awaits6))
            served.server.published()
            with either, four, six, unclear:
                for client in (either, four, unclear):
                    assert await told(client) == PUBLISHED
                assert await waits(six)
                served.write(LEASED)
                served.server.published()
                assert await told(six) == GAVE_UP

    asyncio.run(run())


def test_a_query_for_a_published_name_is_answered_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path) as served:
            served.write(LEASED)
            with await served.ask(b"web1") as client:
                assert await told(client) == PUBLISHED

    asyncio.run(run())


def test_a_waiting_lookup_ends_when_its_host_goes(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path) as served:
            with await served.ask(b"web1") as client:
                served.write()
                served.server.published()
                assert await told(client) == GAVE_UP

    asyncio.run(run())


@pytest.mark.parametrize("harm", ["remove", "damage"])
def test_a_waiting_lookup_ends_when_the_table_goes(tmp_path: Path, harm: str) -> None:
    async def run() -> None:
        async with serving(tmp_path) as served:
            with await served.ask(b"web1") as client:
                served.table.unlink() if harm == "remove" else served.table.write_bytes(b"x")
                served.server.published()
                assert await told(client) == GAVE_UP

    asyncio.run(run())


def test_pending_until_ends_a_wait_though_nothing_is_published(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path) as served:
            until = int(time.time()) + 5
            served.write(WEB1._replace(pending_until=until))
            with await served.ask(b"web1") as client:
                assert await waits(client)
                assert await told(client) == GAVE_UP
                assert time.time() >= until

    asyncio.run(run())


@pytest.mark.parametrize(
    "name",
    [b"nosuch", b"www.web1", b"\xff\xfe", b"a b", b".", b"x" * 254, b"y" * 60_000],
)
def test_what_is_no_pending_name_is_given_up_at_once(tmp_path: Path, name: bytes) -> None:
    async def run() -> None:
        async with serving(tmp_path) as served:
            with await served.ask(name) as client:
                assert await told(client) == GAVE_UP

    asyncio.run(run())


def test_peers_that_say_nothing_too_much_or_go_are_dropped(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path, Limits(name=0.1, check=0.1)) as served:
            with served.connect() as silent, await served.ask(b"web1") as talker:
                assert await told(silent) == DROPPED
                talker.send(b"web1")
                assert await told(talker) == DROPPED
            with await served.ask(b"") as empty:
                assert await told(empty) == DROPPED
            (await served.ask(b"web1")).close()
            await asyncio.sleep(0.05)
            assert not served.server._waiters
            assert not served.server._seats

    asyncio.run(run())


def test_no_peer_waits_longer_than_the_module_would(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path, Limits(wait=0.2, check=0.1)) as served:
            with await served.ask(b"web1") as client:
                assert await told(client) == DROPPED

    asyncio.run(run())


def test_a_peer_that_does_not_take_its_answer_harms_no_other(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path) as served:
            with await served.ask(b"web1") as deaf, await served.ask(b"web1") as other:
                deaf.shutdown(socket.SHUT_RD)
                served.write(LEASED)
                served.server.published()
                assert await told(other) == PUBLISHED

    asyncio.run(run())


def test_more_waiters_than_a_users_share_are_turned_away_and_the_others_stay(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        async with serving(tmp_path, Limits(waiters_of_user=3)) as served:
            with contextlib.ExitStack() as held:
                clients = [held.enter_context(await served.ask(b"web1")) for _ in range(4)]
                assert await told(clients[3]) == DROPPED
                clients[0].close()
                await asyncio.sleep(0.05)
                clients[0] = held.enter_context(await served.ask(b"web1"))
                served.write(LEASED)
                served.server.published()
                assert [await told(client) for client in clients[:3]] == [PUBLISHED] * 3

    asyncio.run(run())


def test_a_crowd_of_users_keeps_neither_root_nor_another_user_from_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = [1001, 1001, 1001, 1002, 1003]
    uids = iter([*crowd, 0, 0, 1004])
    monkeypatch.setattr(pending, "peer_uid", lambda _: next(uids))

    async def run() -> None:
        async with serving(tmp_path, Limits(waiters=len(crowd))) as served:
            with contextlib.ExitStack() as held:
                liars = [held.enter_context(await served.ask(b"web1")) for _ in crowd]
                root = [held.enter_context(await served.ask(b"web1")) for _ in range(2)]
                assert [await waits(client) for client in liars] == [True] * len(crowd)
                other = held.enter_context(await served.ask(b"web1"))
                assert await told(liars[0]) == DROPPED
                served.write(LEASED)
                served.server.published()
                stayed = [*root, other, *liars[1:]]
                assert [await told(client) for client in stayed] == [PUBLISHED] * len(stayed)

    asyncio.run(run())


def test_without_a_descriptor_to_spare_the_server_rests_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept = socket.socket.accept
    refusals = iter([OSError(24, "Too many open files")])

    def refuse_once(self: socket.socket) -> object:
        for error in refusals:
            raise error
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", refuse_once)

    async def run() -> None:
        async with serving(tmp_path, Limits(check=0.1)) as served:
            served.write(LEASED)
            with served.connect() as client:
                client.send(b"web1")
                assert await told(client) == PUBLISHED

    asyncio.run(run())


def test_stopping_lets_everybody_go_and_a_start_replaces_what_a_killed_service_left(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        async with serving(tmp_path) as served:
            client = await served.ask(b"web1")
        with client:
            assert await told(client) == DROPPED
        assert not served.path.exists()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left:
            left.bind(str(served.path))
        async with serving(tmp_path) as served:
            assert served.path.stat().st_mode & 0o777 == 0o666
            with await served.ask(b"web1") as client:
                assert await waits(client)

    asyncio.run(run())


def test_a_path_that_cannot_be_bound_is_an_error(tmp_path: Path) -> None:
    async def run() -> None:
        server = PendingServer(tmp_path / "none" / "pending.sock", tmp_path / "hosts.v1")
        with pytest.raises(OSError, match="No such file"):
            server.start()
        server.stop()

    asyncio.run(run())
