"""asyncvarlink, another implementation, asks a real service while events come."""

import asyncio
import typing
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager

import pytest
from asyncvarlink import (
    GenericVarlinkErrorReply,
    VarlinkClientProtocol,
    VarlinkInterface,
    VarlinkMethodCall,
    connect_unix_varlink,
    varlinkmethod,
)
from asyncvarlink.serviceinterface import VarlinkServiceInterface

from leasewatch.api import peers
from tests.leasewatch.serving import Dnsmasq, Served

SECONDS = 60


class Limits(typing.TypedDict):
    """As the interface has it."""

    connections: int
    connections_of_user: int
    waits_of_user: int


class Admin(VarlinkInterface, name="org.pyvirt.Admin"):
    """Some methods, as the library wants them."""

    @varlinkmethod(return_parameter="limits")
    async def GetLimits(self) -> Limits:  # noqa: N802
        raise NotImplementedError

    @varlinkmethod(return_parameter="limits")
    async def SetLimits(self, *, connections: int | None) -> Limits:  # noqa: N802
        raise NotImplementedError

    @varlinkmethod(return_parameter="level")
    async def SetLogLevel(self, *, level: str) -> str:  # noqa: N802
        raise NotImplementedError

    @varlinkmethod
    async def Disconnect(self, *, id: int) -> None:  # noqa: A002, N802
        raise NotImplementedError


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("root"))
    made.start(first=lambda: setattr(peers.Peers, "may_change", lambda *_: True))
    yield made
    made.close()


@asynccontextmanager
async def connected(served: Served) -> AsyncIterator[VarlinkClientProtocol]:
    transport, protocol = await connect_unix_varlink(VarlinkClientProtocol, served.paths.socket)
    try:
        yield protocol
    finally:
        transport.close()
        await asyncio.sleep(0)


def test_it_reads_both_interfaces_and_changes_limits(served: Served) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(SECONDS), connected(served) as protocol:
            info = await protocol.make_proxy(VarlinkServiceInterface).GetInfo()
            assert info["interfaces"][1:] == ["org.pyvirt.LeaseWatch", "org.pyvirt.Admin"]
            admin = protocol.make_proxy(Admin)
            before = (await admin.GetLimits())["limits"]
            after = (await admin.SetLimits(connections=2000))["limits"]
            assert after == before | {"connections": 2000}
            assert await admin.SetLogLevel(level="notice") == {"level": "notice"}
            with pytest.raises(GenericVarlinkErrorReply) as caught:
                await admin.Disconnect(id=99)
            assert caught.value.name == "org.pyvirt.Admin.NoSuchClient"

    asyncio.run(scenario())


def test_it_watches_names_appear(served: Served) -> None:
    call = VarlinkMethodCall("org.pyvirt.LeaseWatch.Monitor", {}, more=True)

    async def scenario() -> list[tuple[object, ...]]:
        seen: list[tuple[object, ...]] = []
        async with (
            asyncio.timeout(SECONDS),
            connected(served) as protocol,
            aclosing(protocol.call_more(call)) as replies,
        ):
            async for reply, _ in replies:
                entry = typing.cast("dict[str, object]", reply.parameters["entry"] or {})
                seen.append((reply.parameters["kind"], entry.get("name")))
                if len(seen) > 1:
                    break
                dnsmasq = Dnsmasq(served.leases / "lab")
                dnsmasq.lease(1, "web1")
                dnsmasq.rewrite()
                dnsmasq.close()
        return seen

    assert asyncio.run(scenario()) == [("synced", None), ("added", "web1")]
