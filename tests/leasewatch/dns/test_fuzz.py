"""Messages from strangers: real ones with bytes changed, and noise."""

from __future__ import annotations

import dns.edns
import dns.message
import dns.name
import dns.opcode
import dns.rrset
import dns.tsig
import dns.update
from hypothesis import given, settings
from hypothesis import strategies as st

from leasewatch.dns import wire
from leasewatch.dns.asking import Asker
from leasewatch.dns.signatures import Signatures
from leasewatch.dns.transfers import Transfers
from leasewatch.dns.zone import Head, Zone
from tests.leasewatch.dns.naming import HOST, NOW, Asked, table

_KEY = dns.tsig.Key("transfer", b"secret", dns.tsig.HMAC_SHA256)
_KEYS = {_KEY.name: _KEY}
_LAB = Asker("10.77.0.20", 4000, "10.77.0.1", is_tcp=False)
_LAN = Asker("192.168.1.9", 4000, "192.168.1.5", is_tcp=False)
_ASKERS = [one._replace(is_tcp=is_tcp) for one in (HOST, _LAB, _LAN) for is_tcp in (False, True)]
_NAMES = (
    "web1.lab.internal",
    "db",
    "5.0.77.10.in-addr.arpa",
    "lab.internal",
    "x.lab.internal",
    ".",
)
_MOST_ADDED = 150
"""Bytes that a reply to a stranger may be longer than the question."""


def _real() -> list[bytes]:
    """What real clients send."""
    cookie = dns.edns.CookieOption(b"12345678", b"")
    found = []
    for name in _NAMES:
        for rdtype in ("A", "AAAA", "PTR", "SOA", "ANY", "AXFR", "HTTPS"):
            found.append(dns.message.make_query(name, rdtype))
            found.append(dns.message.make_query(name, rdtype, use_edns=0, options=[cookie]))
        signed = dns.message.make_query(name, "SOA")
        signed.use_tsig(_KEYS, _KEY.name)
        notify = dns.message.make_query(name, "SOA")
        notify.set_opcode(dns.opcode.NOTIFY)
        found += [signed, notify, dns.message.make_query(name, "TXT", "CH")]
    ixfr = dns.message.make_query("lab.internal", "IXFR")
    ixfr.authority.append(dns.rrset.from_text("lab.internal.", 5, "IN", "SOA", "a. b. 1 2 3 4 5"))
    update = dns.update.UpdateMessage("lab.internal")
    update.add("evil", 5, "A", "10.0.0.1")
    return [one.to_wire() for one in (*found, ixfr, update)]


_Change = tuple[str, int, bytes]
_CHANGES = st.tuples(
    st.sampled_from(["set", "insert", "cut", "delete", "copy"]),
    st.integers(0, 120),
    st.one_of(
        st.binary(min_size=1, max_size=4),
        st.integers(0, 80).map(lambda at: bytes([0xC0, at])),  # pointers, forward ones and loops
        st.sampled_from([bytes([63]) + b"a" * 63, b"\0\0\x29\0\0\0\0\0\0\0\0"]),
    ),
)


def _changed(message: bytes, changes: list[_Change]) -> bytes:
    for what, anywhere, data in changes:
        at = anywhere % (len(message) + 1)
        end = at + len(data)
        message = {
            "set": message[:at] + data + message[end:],
            "insert": message[:at] + data + message[at:],
            "cut": message[:at],
            "delete": message[:at] + message[end:],
            "copy": message + message[at:],
        }[what]
    return message


def _asked() -> Asked:
    asked = Asked(table())
    signatures = Signatures(_KEYS)
    asked.responder._read = signatures.read
    asked.responder._transfer = Transfers(_zone, _KEY.name, signatures, lambda *_: None).respond
    asked.responder._notified = lambda *_: ()
    return asked


def _zone(apex: str) -> Zone | None:
    made = Zone("lab.internal", Head(("ns1.example.org",)))
    for number in range(3):
        step = made.plan({f"\3vm{number}".encode(): [wire.address(bytes(4))]}, NOW)
        assert step is not None
        made.apply(step)
    return made if apex == made.apex else None


_ASKED = _asked()


def _check(data: bytes, asker: Asker) -> None:
    _ASKED.now += 1  # no limit
    replies = _ASKED.raw(data, asker)
    assert len(replies) <= 1
    for reply in replies:
        assert len(data) >= 12
        assert not data[2] & 0x80
        assert reply[:2] == data[:2]
        assert reply[2] & 0xF8 == 0x80 | data[2] & 0x78
        assert len(reply) <= (65_535 if asker.is_tcp else 1232)
        if asker.address == _LAN.address and not asker.is_tcp:
            assert len(reply) <= len(data) + _MOST_ADDED
        dns.message.from_wire(reply, keyring=False)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(_real()), st.lists(_CHANGES, min_size=1, max_size=4), st.sampled_from(_ASKERS)
)
def test_a_changed_message_gets_a_sound_reply_or_none(
    message: bytes, changes: list[_Change], asker: Asker
) -> None:
    _check(_changed(message, changes), asker)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=600), st.sampled_from(_ASKERS))
def test_noise_gets_a_sound_reply_or_none(message: bytes, asker: Asker) -> None:
    _check(message, asker)


_ODD_NAMES = st.one_of(
    st.sampled_from(["lab.internal.", "LAB.internal.", ".", "a\\.b.internal.", "\\000\\255."]),
    st.lists(st.binary(min_size=1, max_size=63), max_size=3).map(
        lambda labels: dns.name.Name([*labels, b""]).to_text()
    ),
)
_SERIALS = st.lists(st.integers(0, 2**32 - 1) | st.just(int(NOW)), max_size=1)


@settings(max_examples=100, deadline=None)
@given(
    _ODD_NAMES, st.sampled_from(["SOA", "AXFR", "IXFR", "A"]), _SERIALS, st.sampled_from(_ASKERS)
)
def test_a_signed_message_gets_signed_replies(
    name: str, rdtype: str, serials: list[int], asker: Asker
) -> None:
    query = dns.message.make_query(name, rdtype)
    for serial in serials:
        text = f"a. b. {serial} 2 3 4 5"
        query.authority.append(dns.rrset.from_text(name, 5, "IN", "SOA", text))
    query.use_tsig(_KEYS, _KEY.name)
    data = query.to_wire()
    context = None
    for reply in _ASKED.raw(data, asker):
        many = rdtype in {"AXFR", "IXFR"}
        read = dns.message.from_wire(
            reply, keyring=_KEYS, request_mac=query.mac, tsig_ctx=context, multi=many
        )
        context = read.tsig_ctx
        assert read.had_tsig


def test_each_real_message_gets_one_reply_or_is_for_others() -> None:
    for message in _real():
        for asker in _ASKERS:
            _check(message, asker)
