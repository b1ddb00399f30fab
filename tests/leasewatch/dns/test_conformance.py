"""Real clients of the DNS server: dig, kdig, and unbound with its strictest settings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.leasewatch.dns.naming import record, table
from tests.leasewatch.dns.serving import served
from tests.name_servers import HERE, UNBOUND, UNPACKED, NameServer, need, running

_STRICT = """
module-config: "iterator"
qname-minimisation: yes
qname-minimisation-strict: yes
use-caps-for-id: yes
harden-below-nxdomain: yes
harden-referral-path: yes
harden-large-queries: yes
aggressive-nsec: yes
tcp-reuse-timeout: 200
access-control: 127.0.0.0/8 allow
local-zone: "10.in-addr.arpa." nodefault
local-zone: "test." nodefault
local-zone: "d.f.ip6.arpa." nodefault
"""
_ZONES = (
    "lab.internal",
    "dmz.internal",
    "big.example.test",
    "web1",
    "0.77.10.in-addr.arpa",
    "0.78.10.in-addr.arpa",
    "81.10.in-addr.arpa",
    "0.0.0.0.0.0.0.0.7.7.0.0.0.0.d.f.ip6.arpa",
)
PTR6 = "5." + "0." * 15 + "0.0.0.0.0.0.0.0.7.7.0.0.0.0.d.f.ip6.arpa"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    need()
    names = table()
    at = {f"10.77.0.{n}": "lab" for n in range(100, 200)}
    names.set("many", (record("many", "many.lab.internal", at=at),))
    with served(names) as made:
        yield made


@pytest.fixture(scope="module")
def unbound(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    zones = "".join(
        f'stub-zone:\n  name: "{zone}"\n  stub-addr: 127.0.0.1@{port}\n' for zone in _ZONES
    )
    folder = tmp_path_factory.mktemp("dns") / "unbound"
    with running(UNBOUND, folder, options=_STRICT, config=zones) as server:
        yield server


def asked(port: int, program: str, *words: str) -> str:
    """What a program prints; it must have nothing to complain about."""
    argv = [*UNPACKED.argv(program), "@127.0.0.1", "-p", str(port), "+norec", *words]
    done = HERE.run(argv, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "over TCP" not in line]
    assert not [line for line in said if "WARNING" in line or "malformed" in line], said
    return done.stdout


@pytest.mark.parametrize("program", ["dig", "kdig"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["web1.lab.internal"], "10.77.0.5"),
        (["web1.lab.internal", "AAAA", "+tcp"], "fd00:77::5"),
        (["-x", "10.77.0.5"], "web1.lab.internal."),
        (["-x", "fd00:77::5"], "web1.lab.internal."),
        (["web1", "+dnssec", "+bufsize=512"], "10.77.0.5"),
        (["many.lab.internal", "+noedns"], "10.77.0.199"),
        (["web1.lab.internal", "ANY", "+notcp"], "RFC8482"),
        (["nobody.lab.internal"], "NXDOMAIN"),
        (["example.org"], "REFUSED"),
        (["version.bind", "TXT", "CH"], "REFUSED"),
    ],
)
def test_dig_and_kdig_have_no_complaint(
    port: int, program: str, words: list[str], expected: str
) -> None:
    assert expected in asked(port, program, *words)


def test_dig_gets_its_cookie_and_a_later_edns_version_is_refused(port: int) -> None:
    assert "(echoed)" in asked(port, "dig", "web1.lab.internal", "+cookie")
    assert "BADVERS" in asked(port, "dig", "web1.lab.internal", "+edns=1", "+noednsnegotiation")
    assert "NOERROR" in asked(port, "dig", "web1.lab.internal", "+edns=1")
    assert "NOTIMP" in asked(port, "dig", "web1.lab.internal", "+opcode=STATUS", "+noedns")


@pytest.mark.parametrize(
    ("name", "rdtype", "expected"),
    [
        ("web1.lab.internal", "A", ["10.77.0.5"]),
        ("web1.lab.internal", "AAAA", ["fd00:77::5"]),
        ("a.deep.lab.internal", "A", ["10.77.0.11"]),
        ("web1", "A", ["10.77.0.5"]),
        ("5.0.77.10.in-addr.arpa", "PTR", ["web1.lab.internal."]),
        ("70.0.78.10.in-addr.arpa", "PTR", ["db.dmz.internal."]),
        ("4.3.81.10.in-addr.arpa", "PTR", ["far.big.example.test."]),
        (PTR6, "PTR", ["web1.lab.internal."]),
    ],
)
def test_unbound_resolves_at_its_strictest(
    unbound: NameServer, name: str, rdtype: str, expected: list[str]
) -> None:
    assert unbound.ask(name, rdtype) == expected


@pytest.mark.parametrize(
    ("name", "rdtype", "expected"),
    [
        ("db.dmz.internal", "AAAA", "NOERROR"),
        ("web1", "MX", "NOERROR"),
        ("deep.lab.internal", "A", "NOERROR"),
        ("nobody.lab.internal", "A", "NXDOMAIN"),
        ("x.y.nobody.lab.internal", "A", "NXDOMAIN"),
        ("6.0.77.10.in-addr.arpa", "PTR", "NXDOMAIN"),
        ("71.0.78.10.in-addr.arpa", "PTR", "NXDOMAIN"),
        ("9.9.81.10.in-addr.arpa", "PTR", "NXDOMAIN"),
    ],
)
def test_unbound_takes_denials_as_they_are_meant(
    unbound: NameServer, name: str, rdtype: str, expected: str
) -> None:
    said = unbound.dig(name, rdtype).stdout
    assert f"status: {expected}" in said
    assert "SOA" in said


def test_unbound_gets_a_long_answer_over_tcp(unbound: NameServer) -> None:
    assert len(unbound.ask("many.lab.internal")) == 100
