"""What the hook answers: questions and tables in, a reply out. dnspython reads the records."""

from __future__ import annotations

import base64
import socket

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.wire
import pytest

from leasewatch.dns import hook_answers
from leasewatch.dns.hook_answers import NOT_OURS, Tables, reply
from leasewatch.dns.hook_filters import Zones
from leasewatch.dns.hook_interface import Question, ResolveRecordReply, ResourceKey
from nss_pyvirt.snapshot import Address, Answer

NOW = 1000
ZONES = Zones(networks=frozenset({"lab.internal"}), site="vm.example.org")
A, AAAA, PTR, MX, HTTPS, ANY = 1, 28, 12, 15, 65, 255
NO_DATA = ResolveRecordReply(rcode=0, answer=[])
NO_SUCH_NAME = ResolveRecordReply(rcode=3)


def v4(text: str, expires: int = NOW + 600) -> Address:
    return Address(socket.AF_INET, socket.inet_aton(text), expires)


def v6(text: str, expires: int = NOW + 600) -> Address:
    packed = socket.inet_pton(socket.AF_INET6, text)
    return Address(socket.AF_INET6, packed, expires, 3 if text.startswith("fe80") else 0)


HOSTS: dict[str, tuple[Address, ...]] = {
    "web1": (v4("10.0.0.1"), v6("fd00::1")),
    "only4": (v4("10.0.0.4"),),
    "brief": (v4("10.0.0.5", NOW + 2),),
    "link": (v6("fe80::1"),),
    "zeroconf": (v4("169.254.1.1"),),
    "xn--bcher-kva": (v4("10.0.0.6"),),
    "web1.hostb.vm.example.org": (v4("10.5.0.1"),),
}
PENDING: dict[str, tuple[int, ...]] = {
    "db1": (socket.AF_INET, socket.AF_INET6),
    "slow6": (socket.AF_INET6,),
    "soon4": (socket.AF_INET,),
    "link": (socket.AF_INET,),
}


def named(name: str, family: int) -> Answer:
    """As the reader of the published table answers."""
    bare = name.removesuffix(".lab.internal")
    held = HOSTS.get(bare, (v4("10.0.0.7"),) if bare == "slow6" else ())
    chosen = tuple(
        a
        for a in held
        if family in {socket.AF_UNSPEC, a.family} and (family == socket.AF_UNSPEC or not a.ifindex)
    )
    if chosen:
        return Answer("found", (bare, f"{bare}.lab.internal"), chosen)
    if set(PENDING.get(bare, ())) & ({family} if family else {socket.AF_INET, socket.AF_INET6}):
        return Answer("not yet")
    return Answer("no data" if held else "unknown")


def addressed(packed: bytes) -> Answer:
    for name, held in HOSTS.items():
        for address in held:
            if address.packed == packed:
                return Answer("found", (name, f"{name}.lab.internal"), (address,))
    return Answer("unknown")


def ask(*keys: tuple[str, int], class_: int | None = 1) -> ResolveRecordReply | None:
    questions = [Question(key=ResourceKey(class_=class_, type=t, name=n)) for n, t in keys]
    return reply(questions, Tables(named, addressed), ZONES, NOW)


def records(found: ResolveRecordReply | None) -> list[str]:
    """As a zone file has them."""
    assert found is not None
    assert found.rcode == 0
    shown = []
    for record in found.answer or ():
        parser = dns.wire.Parser(base64.b64decode(record.raw))
        name = parser.get_name()
        kind, class_, ttl, length = parser.get_struct("!HHIH")
        data = dns.rdata.from_wire_parser(dns.rdataclass.IN, kind, parser)
        assert (class_, parser.remaining()) == (1, 0)
        assert length
        shown.append(f"{name} {ttl} {dns.rdatatype.to_text(kind)} {data}")
    return shown


@pytest.mark.parametrize(
    ("name", "kind", "wanted"),
    [
        ("web1", A, ["web1. 5 A 10.0.0.1"]),
        ("web1", AAAA, ["web1. 5 AAAA fd00::1"]),
        ("web1", ANY, ["web1. 5 A 10.0.0.1", "web1. 5 AAAA fd00::1"]),
        ("WEB1.", A, ["web1. 5 A 10.0.0.1"]),
        ("web1.LAB.internal.", A, ["web1.lab.internal. 5 A 10.0.0.1"]),
        ("brief", A, ["brief. 2 A 10.0.0.5"]),
        ("slow6", A, ["slow6. 5 A 10.0.0.7"]),
        ("web1.hostb.vm.example.org", A, ["web1.hostb.vm.example.org. 5 A 10.5.0.1"]),
    ],
)
def test_a_name_has_its_addresses(name: str, kind: int, wanted: list[str]) -> None:
    assert records(ask((name, kind))) == wanted


def test_both_families_come_in_one_reply() -> None:
    both = ["web1. 5 A 10.0.0.1", "web1. 5 AAAA fd00::1"]
    assert records(ask(("web1", A), ("web1", AAAA))) == both
    assert records(ask(("only4", A), ("only4", AAAA))) == ["only4. 5 A 10.0.0.4"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("1.0.0.10.in-addr.arpa", ["web1.", "web1.lab.internal."]),
        ("1.0.0.10.IN-ADDR.ARPA.", ["web1.", "web1.lab.internal."]),
        (dns.name.from_text("1" + 28 * ".0" + ".0.d.f.ip6.arpa").to_text(), ["web1."]),
    ],
)
def test_an_address_has_its_names_the_canonical_one_first(name: str, wanted: list[str]) -> None:
    found = records(ask((name, PTR)))
    assert [line.split()[-1] for line in found][: len(wanted)] == wanted


def test_a_reverse_question_may_stand_beside_others() -> None:
    found = records(ask(("1.0.0.10.in-addr.arpa", PTR), ("web1", A), ("nope", AAAA)))
    assert len(found) == 3


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("only4", AAAA),
        ("web1", MX),
        ("web1", HTTPS),
        ("web1", PTR),
        ("lab.internal", A),
        ("db1", MX),
        ("link", AAAA),
        ("soon4", AAAA),
        ("zeroconf", A),
        ("slow6", AAAA),
        ("1.0.0.10.in-addr.arpa", A),
    ],
)
def test_a_name_without_such_a_record_has_no_data(name: str, kind: int) -> None:
    assert ask((name, kind)) == NO_DATA


@pytest.mark.parametrize(
    "name",
    [
        "nope.lab.internal",
        "a.b.lab.internal",
        "b\u00fccher.lab.internal",
        "*.lab.internal",
        "a b.lab.internal",
        "..lab.internal",
        f"{'x' * 300}.lab.internal",
    ],
)
def test_only_below_a_network_an_unknown_name_does_not_exist(name: str) -> None:
    assert ask((name, A), (name, AAAA)) == NO_SUCH_NAME


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("nope", A),
        ("www.web1", A),
        ("www.nope", MX),
        ("internal", A),
        ("nope.hostb.vm.example.org", A),
        ("xlab.internal", A),
        ("9.0.0.10.in-addr.arpa", PTR),
        ("0.0.10.in-addr.arpa", PTR),
        ("01.0.0.10.in-addr.arpa", PTR),
        ("256.0.0.10.in-addr.arpa", PTR),
        ("1.0.0.0.10.in-addr.arpa", PTR),
        ("1.1.254.169.in-addr.arpa", PTR),
        ("1.ip6.arpa", PTR),
        ("", A),
        (".", A),
        ("web1\0", A),
        ("b\u00fccher", A),
        ("WEB\u0130", A),
        ("\ud800", A),
    ],
)
def test_everything_else_is_left_to_dns(name: str, kind: int) -> None:
    assert ask((name, kind)) == NOT_OURS


def test_another_class_and_no_question_are_left_to_dns() -> None:
    assert ask(("web1", A), class_=3) == NOT_OURS
    assert ask(("nope.lab.internal", A), class_=255) == NOT_OURS
    assert ask() == NOT_OURS
    assert records(ask(("web1", A), class_=None)) == ["web1. 5 A 10.0.0.1"]


def test_of_two_spellings_the_one_that_is_known_counts() -> None:
    both = ("b\u00fccher.lab.internal", A), ("xn--bcher-kva.lab.internal", A)
    wanted = ["xn--bcher-kva.lab.internal. 5 A 10.0.0.6"]
    assert records(ask(*both)) == wanted == records(ask(*reversed(both)))


def test_only_a_name_without_any_address_is_pending() -> None:
    assert ask(("db1", A)) is None
    assert ask(("db1", A), ("db1", AAAA)) is None
    assert ask(("soon4", A)) is None
    assert ask(("link", A)) is None
    assert records(ask(("slow6", A), ("slow6", AAAA))) == ["slow6. 5 A 10.0.0.7"]


def test_the_names_of_an_address_are_bounded() -> None:
    many = tuple(f"n{number}" for number in range(255))
    tables = Tables(named, lambda _: Answer("found", many, (v4("10.0.0.1"),)))
    key = ResourceKey(class_=1, type=PTR, name="1.0.0.10.in-addr.arpa")
    assert len(records(reply([Question(key=key)], tables, ZONES, NOW))) == hook_answers.MOST_NAMES
