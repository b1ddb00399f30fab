"""Replies to common and to odd messages."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import pytest

from leasewatch.dns import responder
from leasewatch.dns.asking import Asker
from leasewatch.dns.signatures import Signatures
from tests.leasewatch.dns.naming import HOST, NOW, Asked, record, table

LAN = Asker("192.168.1.9", 4000, "192.168.1.5", is_tcp=False)
TCP = HOST._replace(is_tcp=True)
WEB1 = dns.message.make_query("web1.lab.internal", "A")


def make(name: str = "web1.lab.internal", rdtype: str = "A", **edns: object) -> dns.message.Message:
    return dns.message.make_query(name, rdtype, **edns)  # type: ignore[arg-type]


def rcode(data: bytes, asker: Asker = HOST) -> str:
    (reply,) = Asked(table()).raw(data, asker)
    assert reply[:2] == data[:2]
    assert reply[2] & 0x80
    return dns.rcode.to_text(dns.message.from_wire(reply).rcode())


def test_the_question_comes_back_in_the_same_case() -> None:
    for name in ("wEb1.LaB.iNtErNaL", "NoBody.LAB.internal", "WWW"):
        reply = Asked(table()).ask(make(name))
        assert reply.question[0].name.to_text(omit_final_dot=True) == name


def test_a_reply_is_authoritative_and_offers_no_recursion() -> None:
    flags = Asked(table()).ask(make()).flags
    assert flags & (dns.flags.AA | dns.flags.RA | dns.flags.AD | dns.flags.RD) == (
        dns.flags.AA | dns.flags.RD
    )
    assert not Asked(table()).ask(make("example.org")).flags & dns.flags.AA


@pytest.mark.parametrize("name", ["nobody.lab.internal", "a.b.web1.lab.internal"])
def test_a_denial_has_the_zones_soa_with_a_short_minimum(name: str) -> None:
    (soa,) = Asked(table()).ask(make(name)).authority
    assert soa.name == dns.name.from_text("lab.internal")
    assert (soa.ttl, soa[0].minimum) == (5, 5)


def test_the_longest_possible_name_is_answered() -> None:
    name = ".".join(["x" * 49] * 4 + ["y" * 40]) + ".lab.internal"
    assert len(dns.name.from_text(name).to_wire() or b"") == 255
    assert Asked(table()).find(name) == "NXDOMAIN"


def test_edns_is_answered_with_edns_alone() -> None:
    asked = Asked(table())
    assert asked.ask(make(use_edns=False)).edns == -1
    reply = asked.ask(make(use_edns=0, payload=4096, want_dnssec=True))
    assert (reply.edns, reply.payload, reply.ednsflags) == (0, 1232, 0x8000)


@pytest.mark.parametrize("more", [[], [dns.edns.GenericOption("65001", b"x")]])
def test_a_clients_cookie_comes_back(more: list[dns.edns.Option]) -> None:
    cookie = dns.edns.CookieOption(b"12345678", b"")
    reply = Asked(table()).ask(make(use_edns=0, options=[cookie, *more]))
    assert reply.options == (cookie,)


def test_a_later_version_of_edns_is_refused() -> None:
    query = make(use_edns=1)
    reply = Asked(table()).ask(query)
    assert (reply.rcode(), reply.edns, reply.answer) == (dns.rcode.BADVERS, 0, [])


@pytest.mark.parametrize("edns", [-1, 0])
def test_an_answer_too_long_for_udp_is_cut_and_comes_over_tcp(edns: int) -> None:
    asked = Asked(table())
    at = {f"fd00:77::{n:x}": "lab" for n in range(1, 99)}
    asked.set("many", record("many", "many.lab.internal", at=at))
    query = make("many", "AAAA", use_edns=edns)
    cut = asked.ask(query)
    assert cut.flags & dns.flags.TC
    assert (cut.answer, cut.edns) == ([], edns)
    assert len(asked.ask(query, TCP).answer[0]) == 98


def test_a_reply_is_not_answered() -> None:
    asked = Asked(table())
    assert asked.raw(asked.raw(WEB1.to_wire())[0]) == []
    for short in (b"", b"\0\0\1\0\0\1"):
        assert asked.raw(short) == []


def test_odd_messages_get_their_rcode() -> None:
    wire = WEB1.to_wire()
    chaos = dns.message.make_query("version.bind", "TXT", "CH")
    two = wire[:5] + b"\2" + wire[6:] + wire[12:]
    assert rcode(chaos.to_wire()) == "REFUSED"
    assert rcode(wire[:5] + b"\0" + wire[6:12]) == "FORMERR"
    assert rcode(two) == "FORMERR"
    assert rcode(wire + b"junk") == "FORMERR"
    assert rcode(wire[:-5]) == "FORMERR"
    for opcode in (dns.opcode.STATUS, dns.opcode.UPDATE, 15):
        assert rcode(wire[:2] + bytes([opcode << 3]) + wire[3:]) == "NOTIMP"


@pytest.mark.parametrize("pointer", [b"\xc0\x0c", b"\xc0\x20", b"\xc0\x00", b"\x40x", b"\x3fx"])
def test_a_question_with_a_pointer_or_a_broken_label_is_malformed(pointer: bytes) -> None:
    wire = WEB1.to_wire()
    assert rcode(wire[:12] + pointer + b"\0\0\1\0\1") == "FORMERR"


def test_a_signed_question_gets_a_signed_answer() -> None:
    key = dns.tsig.Key("transfer", b"secret", dns.tsig.HMAC_SHA256)
    keyring = {key.name: key}
    asked = Asked(table())
    asked.responder._read = Signatures(keyring).read
    for name, answers in (("web1", 1), ("nobody.lab.internal", 0)):
        query = make(name, use_edns=0)
        query.use_tsig(keyring, key.name)
        (wire,) = asked.raw(query.to_wire())
        reply = dns.message.from_wire(wire, keyring=keyring, request_mac=query.mac)
        assert (reply.had_tsig, len(reply.answer)) == (True, answers)
        assert query.is_response(reply)


def test_a_ttl_ends_with_the_lease() -> None:
    asked = Asked(table())
    end = int(NOW) + 8
    asked.set("short", record("short", at={"10.77.0.8": "lab"}, expires=end))
    ttls = []
    while asked.find("short") == ["10.77.0.8"]:
        ttls.append(asked.ask(make("short")).answer[0].ttl)
        asked.now += 1
    assert ttls == [5, 5, 5, 5, 4, 3, 2, 1]
    assert asked.find("short") == "REFUSED"


def test_a_change_is_answered_at_once_and_leaves_the_other_replies() -> None:
    asked = Asked(table())
    for name in ("web1", "db"):
        asked.find(name)
    before = dict(asked.responder._prepared)
    asked.set("web1", record("web1", "web1.lab.internal", at={"10.77.0.6": "lab"}))
    assert before.keys() - asked.responder._prepared.keys() == {b"\4web1\0"}
    assert asked.find("web1") == ["10.77.0.6"]
    assert asked.find("6.0.77.10.in-addr.arpa", "PTR") == ["web1.lab.internal."]
    assert asked.find("5.0.77.10.in-addr.arpa", "PTR") == "NXDOMAIN"
    asked.set("web1")
    assert asked.find("web1.lab.internal") == "NXDOMAIN"


def test_a_new_network_has_a_zone() -> None:
    asked = Asked(table())
    assert asked.find("x.lab.internal") == "NXDOMAIN"
    del asked.table.networks["lab"]
    asked.answers.changed([])
    assert asked.find("x.lab.internal") == "REFUSED"


def test_strangers_of_one_subnet_share_a_limit_and_may_ask_over_tcp() -> None:
    asked = Asked(table())
    query = make("example.org").to_wire()
    burst = responder._BURST
    replies = [asked.raw(query, LAN._replace(port=n)) for n in range(burst + 10)]
    assert all(len(reply) == 1 for reply in replies[:burst])
    over = [reply for reply in replies[burst:] if reply]
    assert len(over) == 5
    assert all(dns.message.from_wire(one).flags & dns.flags.TC for (one,) in over)
    assert len(over[0][0]) <= len(query)
    assert asked.raw(query, LAN._replace(is_tcp=True))
    assert asked.raw(query, LAN._replace(address="192.168.2.9"))
    asked.now += 1
    assert len(asked.raw(query, LAN)) == 1


def test_guests_and_the_host_have_no_limit() -> None:
    asked = Asked(table())
    guest = Asker("10.77.0.20", 4000, "10.77.0.1", is_tcp=False)
    query = make().to_wire()
    for asker in (HOST, guest):
        assert all(asked.raw(query, asker) for _ in range(responder._BURST + 10))


def test_prepared_replies_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responder, "_MOST", 3)
    asked = Asked(table())
    for name in ("web1", "db", "www", "two", "far", "web1"):
        asked.find(name)
        assert len(asked.responder._prepared) <= 3
    for n in range(9):
        asked.find(f"no{n}.lab.internal")
    assert b"\3no8\3lab\x08internal\0" not in asked.responder._prepared
    for rdtype in range(2, 99):
        asked.find("web1", f"TYPE{rdtype}")
    assert len(asked.responder._prepared[b"\4web1\0"]) <= 4


def test_a_message_of_thousands_of_records_is_not_read() -> None:
    asked = Asked(table())
    asked.responder._read = lambda *_: pytest.fail("it was read")
    wire = WEB1.to_wire()
    label = b"".join(b"\1%c" % (97 + n % 26) for n in range(120)) + b"\0"
    record = b"\xc0\x0c" + b"\0\1\0\1\0\0\0\0\0\0"
    bomb = wire[:6] + b"\x10\x00" + wire[8:12] + label + b"\0\1\0\1" + record * 4096
    for data in (bomb, wire[:12] + label + b"\0\1\0\2" + bytes(5000)):
        (reply,) = asked.raw(data, TCP)
        assert dns.message.from_wire(reply).rcode() == dns.rcode.FORMERR
