"""asyncvarlink, another implementation, asks the hook as systemd-resolved does."""

import asyncio
import base64
import typing
from collections.abc import Iterator
from contextlib import aclosing, closing

import pytest
from asyncvarlink import (
    VarlinkClientProtocol,
    VarlinkInterface,
    VarlinkMethodCall,
    connect_unix_varlink,
    varlinkmethod,
)
from asyncvarlink.serviceinterface import VarlinkServiceInterface
from varlink.scanner import Interface

from tests.leasewatch.dns.hooking import HOOK, Sockets
from tests.leasewatch.serving import Dnsmasq, Served

SECONDS = 60
Key = typing.TypedDict("Key", {"class": int | None, "type": int, "name": str})


class Question(typing.TypedDict):
    """As the interface has it."""

    key: Key


class Answer(typing.TypedDict):
    """As the interface has it."""

    raw: str


class Found(typing.TypedDict, total=False):
    """As the interface has it."""

    rcode: int | None
    answer: list[Answer] | None


class Hook(VarlinkInterface, name=HOOK):
    """One method, as the library wants it."""

    @varlinkmethod
    async def ResolveRecord(self, *, question: list[Question]) -> Found:  # noqa: N802
        raise NotImplementedError


@pytest.fixture(scope="module")
def sockets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sockets]:
    served = Served(tmp_path_factory.mktemp("root"))
    made = Sockets(served.leases.parent)
    with closing(served), closing(made), closing(Dnsmasq(served.leases / "lab")) as dnsmasq:
        dnsmasq.lease(1, "web1")
        dnsmasq.rewrite()
        served.start(sockets=made.listening)
        yield made


def test_it_reads_the_interface_and_resolves_a_name(sockets: Sockets) -> None:
    async def scenario() -> None:
        path = str(sockets.paths["resolve-names"])
        transport, protocol = await connect_unix_varlink(VarlinkClientProtocol, path)
        try:
            service = protocol.make_proxy(VarlinkServiceInterface)
            info = await service.GetInfo()
            assert info["interfaces"] == ["org.varlink.service", HOOK]
            text = (await service.GetInterfaceDescription(interface=HOOK))["description"]
            assert {"QueryFilter", "ResolveRecord"} <= set(Interface(text).members)
            hook = protocol.make_proxy(Hook)
            question: list[Question] = [{"key": {"class": 1, "type": 1, "name": "web1"}}]
            found = await hook.ResolveRecord(question=question)
            assert found["rcode"] == 0
            answers = found["answer"] or []
            raw = [base64.b64decode(answer["raw"]) for answer in answers]
            assert [record[-4:] for record in raw] == [bytes((10, 0, 0, 1))]
        finally:
            transport.close()
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(scenario(), SECONDS))


def test_it_gets_a_filter_that_is_not_final(sockets: Sockets) -> None:
    call = VarlinkMethodCall(f"{HOOK}.QueryFilter", {}, more=True)

    async def scenario() -> None:
        path = str(sockets.paths["resolve-zones"])
        transport, protocol = await connect_unix_varlink(VarlinkClientProtocol, path)
        try:
            async with aclosing(protocol.call_more(call)) as replies:
                async for reply, _ in replies:
                    assert reply.parameters == {"filterDomains": ["lab.internal"]}
                    assert reply.continues
                    break
        finally:
            transport.close()
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(scenario(), SECONDS))
