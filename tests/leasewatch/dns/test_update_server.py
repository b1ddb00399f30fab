"""A server of updates that lies, stalls or talks nonsense: an error, and nothing is believed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import dns.message
import dns.name
import dns.rcode
import dns.tsig
import pytest

from leasewatch.daemon.dns_settings import Place
from leasewatch.dns import update_server
from leasewatch.dns.update_plan import Change, Held, Owner
from leasewatch.dns.update_server import ServerError, UpdateServer

KEY = dns.tsig.Key("update.", b"a secret of 32 bytes for a test.", dns.tsig.HMAC_SHA256)
OTHER = dns.tsig.Key("update.", b"the secret of somebody in between", dns.tsig.HMAC_SHA256)
CHANGE = Change("web1", None, Held(Owner("hosta", "1"), ("10.77.0.5",)))

Reply = Callable[[dns.message.Message], bytes]


def _framed(wire: bytes) -> bytes:
    return len(wire).to_bytes(2, "big") + wire


def _reply(query: dns.message.Message, rcode: dns.rcode.Rcode, key: dns.tsig.Key | None) -> bytes:
    reply = dns.message.make_response(query)
    reply.tsig = None
    reply.set_rcode(rcode)
    if key is not None:
        reply.request_mac = query.mac or b""
        reply.use_tsig(key)
    return _framed(reply.to_wire())


async def _asked(
    answer: Reply, act: Callable[[UpdateServer], Awaitable[object]]
) -> BaseException | None:
    """What `act` raises with a server that answers so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            size = int.from_bytes(await reader.readexactly(2), "big")
            query = dns.message.from_wire(await reader.readexactly(size), keyring=KEY)
            writer.write(answer(query))
            await writer.drain()
            await reader.read()  # until the client has closed
        except (EOFError, OSError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        try:
            await act(UpdateServer(Place("127.0.0.1", port), "vms.test", KEY))
        except Exception as error:  # noqa: BLE001  it is what is tested
            return error
    return None


async def _update(server: UpdateServer) -> None:
    await server.update([CHANGE])


def test_a_signed_reply_is_believed() -> None:
    assert asyncio.run(_asked(lambda q: _reply(q, dns.rcode.NOERROR, KEY), _update)) is None


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (lambda q: _reply(q, dns.rcode.NOERROR, None), "does not sign its replies"),
        (lambda q: _reply(q, dns.rcode.NXRRSET, None), "has failed (NXRRSET)"),
        (lambda q: _reply(q, dns.rcode.REFUSED, None), "(REFUSED)"),
        (lambda q: _reply(q, dns.rcode.NOERROR, OTHER), "has another secret for the key update"),
        (lambda q: _reply(q, dns.rcode.SERVFAIL, KEY), "has failed (SERVFAIL)"),
        (lambda q: _reply(q, dns.rcode.NOTAUTH, KEY), "is not the primary of the zone vms.test"),
        (lambda _: _framed(b"nonsense"), "answers what cannot be used"),
        (lambda _: _framed(b""), "answers what cannot be used"),
        (lambda q: _framed(q.to_wire()), "has another secret for the key update"),
        (lambda _: b"\xff\xffno more comes", "has not answered within 0 s"),
        (lambda _: b"", "has not answered within 0 s"),
    ],
)
def test_no_other_reply_is(answer: Reply, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "within" in what:
        monkeypatch.setattr(update_server, "_DEADLINE", 0.4)
    error = asyncio.run(_asked(answer, _update))
    assert isinstance(error, ServerError)
    assert what in error.what
    assert error.hint


def test_a_transfer_of_nonsense_is_an_error() -> None:
    error = asyncio.run(_asked(lambda _: _framed(b"nonsense"), lambda server: server.held([])))
    assert isinstance(error, ServerError)
    assert "answers what cannot be used" in error.what
