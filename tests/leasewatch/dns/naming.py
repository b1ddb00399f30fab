"""Tables of names for the tests of the DNS server."""

from __future__ import annotations

import asyncio

import dns.flags
import dns.message
import dns.rdatatype

from leasewatch.addresses import parse
from leasewatch.dns.answers import Answers
from leasewatch.dns.asking import Asker
from leasewatch.dns.responder import Responder
from leasewatch.dns.table import NameTable, Network
from leasewatch.dns.views import Views
from leasewatch.model import HostAddress, HostRecord, Trust

NOW = 1_000_000.0
HOST = Asker("127.0.0.1", 4000, "127.0.0.1", is_tcp=False)


def record(
    *names: str,
    at: dict[str, str] | None = None,
    trust: Trust = "owner",
    expires: int = 0,
    pending: int = 0,
) -> HostRecord:
    """`at`: address -> network."""
    found = (
        HostAddress(address=parse(one), expires=expires, network=network)
        for one, network in (at or {}).items()
    )
    return HostRecord(names, tuple(found), trust, pending, (4,) if pending else ())


def table() -> NameTable:
    """Three networks and a few names."""
    made = NameTable()
    made.networks = {
        "lab": Network("lab", "internal", ("10.77.0.0/24", "fd00:77::/64")),
        "dmz": Network("dmz", "internal", ("10.78.0.64/26",)),
        "big": Network("big", "example.test", ("10.80.0.0/14",)),
    }
    web1 = {"10.77.0.5": "lab", "fd00:77::5": "lab"}
    made.set("web1", (record("web1", "web1.lab.internal", "www", at=web1),))
    made.set("db", (record("db", "db.dmz.internal", at={"10.78.0.70": "dmz"}),))
    two = {"10.77.0.9": "lab", "10.78.0.79": "dmz"}
    made.set(
        "two",
        (
            record("two", at=two),
            record("two.lab.internal", at={"10.77.0.9": "lab"}),
            record("two.dmz.internal", at={"10.78.0.79": "dmz"}),
        ),
    )
    made.set("a.deep", (record("a.deep", "a.deep.lab.internal", at={"10.77.0.11": "lab"}),))
    made.set("link", (record("link", "link.lab.internal", at={"fe80::5": "lab"}),))
    made.set("far", (record("far", "far.big.example.test", at={"10.81.3.4": "big"}),))
    return made


def unused(message: dns.message.Message, asker: Asker) -> list[bytes]:
    """Handles nothing."""
    raise AssertionError(f"{asker} sent {message}")


def read(data: bytes, _: Asker) -> dns.message.Message:
    """Without keys."""
    return dns.message.from_wire(data)


class Asked:
    """A responder without sockets, at a clock that the test sets."""

    def __init__(self, names: NameTable, guests: dict[str, list[str]] | None = None) -> None:
        self.table = names
        self.now = NOW
        self.answers = Answers(names)
        self.responder = Responder(self.answers, read, unused, unused, lambda: self.now)
        self.answers.changed(names.records)
        self.responder.set_views(Views(names.networks, guests or {}))

    def set(self, name: str, *records: HostRecord) -> None:
        """Change a name, as the process does."""
        self.table.set(name, records)
        self.responder.changed(self.answers.changed([name]))

    def raw(self, data: bytes, asker: Asker = HOST) -> list[bytes]:
        reply = self.responder.respond(data, asker)
        assert not isinstance(reply, asyncio.Future)
        return list(reply)

    def ask(self, message: dns.message.Message, asker: Asker = HOST) -> dns.message.Message:
        """The reply, which fits the question."""
        (wire,) = self.raw(message.to_wire(), asker)
        reply = dns.message.from_wire(wire)
        assert message.is_response(reply)
        return reply

    def find(self, name: str, rdtype: str = "A", asker: Asker = HOST) -> str | list[str]:
        """The data of the answer, else `NODATA` or the rcode."""
        reply = self.ask(dns.message.make_query(name, rdtype), asker)
        if reply.rcode():
            assert not reply.answer
            return dns.rcode.to_text(reply.rcode())
        assert reply.flags & dns.flags.AA
        return [str(data) for rrset in reply.answer for data in rrset] or "NODATA"
