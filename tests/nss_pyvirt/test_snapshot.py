"""Snapshots: what is packed is read back the same, by the C reader and by an independent one."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import Address, Answer, Host, SnapshotError
from tests.nss_pyvirt.oracle import Oracle, siphash

V4, V6 = socket.AF_INET, socket.AF_INET6
NOW = 1_800_000_000
LATER = NOW + 3600

Write = Callable[[bytes], Path]


def v4(text: str, expires: int = LATER) -> Address:
    return Address(V4, socket.inet_pton(V4, text), expires)


def v6(text: str, expires: int = LATER, ifindex: int = 0) -> Address:
    return Address(V6, socket.inet_pton(V6, text), expires, ifindex)


def encode(*hosts: Host) -> bytes:
    return snapshot.encode(hosts, generation=7, published=NOW, seed=bytes(16))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(data: bytes) -> Path:
        path = tmp_path / "hosts.v1"
        path.write_bytes(data)
        path.chmod(0o644)
        return path

    return write_file


WEB1 = Host(
    ("web1", "web1.default.internal"),
    (v4("10.77.0.5"), v6("fd12::5"), v6("fe80::5054:ff:fe00:1", ifindex=3)),
)
DB = Host(("db",), (v4("10.77.0.6"),))
STARTING = Host(("starting",), (), pending_until=LATER)
HALF = Host(("half",), (v4("10.77.0.8"),), LATER, frozenset({V6}))


label = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=63)
name = st.lists(label, min_size=1, max_size=3).map(".".join)
expiry = st.integers(1, 2**63 - 1)
link_local = st.builds(
    lambda tail, expires, ifindex: Address(V6, b"\xfe\x80" + bytes(6) + tail, expires, ifindex),
    st.binary(min_size=8, max_size=8) | st.just(bytes(7) + b"\1"),
    expiry,
    st.integers(1, 2**32 - 1),
)
global_v4 = st.builds(
    lambda packed, expires: Address(V4, packed, expires), st.binary(min_size=4, max_size=4), expiry
)
global_v6 = st.builds(
    lambda tail, expires: Address(V6, b"\xfd" + tail, expires),
    st.binary(min_size=15, max_size=15),
    expiry,
)
host = st.builds(
    lambda names, addresses: Host(tuple(names), tuple(addresses)),
    st.lists(name, min_size=1, max_size=3, unique=True),
    st.lists(
        link_local | global_v4 | global_v6,
        max_size=8,
        unique_by=lambda address: (address.packed, address.ifindex),
    ),
)
pending_host = st.builds(
    lambda host, until, expect: host._replace(pending_until=until, expect=expect),
    host,
    st.integers(1, 2**63 - 1),
    st.frozensets(st.sampled_from([V4, V6])),
)
hosts_of_a_table = st.lists(host | pending_host, max_size=12).filter(
    lambda hosts: len({n for h in hosts for n in h.names}) == sum(len(h.names) for h in hosts)
)


def answered(host: Host) -> tuple[Address, ...]:
    """Its addresses without the link-local ones that come after any other."""
    found: list[Address] = []
    for one in host.addresses:
        if not one.ifindex or all(better.ifindex for better in found):
            found.append(one)
    return tuple(found)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    hosts_of_a_table,
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
)
def test_every_host_is_found_by_both_readers_under_each_of_its_names_and_addresses(
    write: Write, hosts: list[Host], seed: bytes, generation: int, wait: int
) -> None:
    data = snapshot.encode(
        hosts, generation=generation, published=NOW, pending_wait=wait, seed=seed
    )
    path = write(data)
    oracle = Oracle(data)
    assert snapshot.read(path) == (generation, NOW, tuple(hosts), wait)
    assert oracle.pending_wait == wait
    assert [tuple(record.names) for record in oracle.walk()] == [host.names for host in hosts]
    owner: dict[tuple[int, bytes], Host] = {}
    for host in hosts:
        for name in host.names:
            record = oracle.by_name(name)
            assert record is not None
            assert tuple(record.names) == host.names
            answer = snapshot.lookup(path, name, now=0)
            assert answer.addresses == answered(host)
        for address in host.addresses:
            owner.setdefault((address.family, address.packed), host)
    for (family, packed), host in owner.items():
        record = oracle.by_address(family, packed)
        assert record is not None
        assert tuple(record.names) == host.names
        assert snapshot.lookup_address(path, packed, now=0).names == host.names
    absent = f"{'x' * 60}.{'y' * 60}.{'z' * 60}"
    assert oracle.by_name(absent) is None
    assert snapshot.lookup(path, absent).status == "unknown"


NOT_HOSTS = {
    "no name": Host((), ()),
    "empty name": Host(("",), ()),
    "upper case": Host(("Web1",), ()),
    "final dot": Host(("web1.",), ()),
    "empty label": Host(("a..b",), ()),
    "space": Host(("we b",), ()),
    "NUL": Host(("web\0",), ()),
    "newline": Host(("web\n",), ()),
    "not ASCII": Host(("wéb",), ()),
    "label of 64": Host(("a" * 64,), ()),
    "name of 254": Host((f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 62}",), ()),
    "one name twice": Host(("a", "a"), ()),
    "256 names": Host(tuple(f"{i:x}" for i in range(256)), ()),
    "one address twice": Host(("a",), (v4("10.0.0.1"), v4("10.0.0.1"))),
    "one twice on a link": Host(("a",), (v6("fe80::1", ifindex=2), v6("fe80::1", ifindex=2))),
    "33 addresses": Host(("a",), tuple(v4(f"10.0.0.{i}") for i in range(33))),
    "no expiry": Host(("a",), (v4("10.0.0.1", 0),)),
    "short address": Host(("a",), (Address(V4, b"\1\2\3", LATER),)),
    "IPv6 with 4 bytes": Host(("a",), (Address(V6, b"\1\2\3\4", LATER),)),
    "another family": Host(("a",), (Address(socket.AF_UNIX, b"\1\2\3\4", LATER),)),
    "mapped address": Host(("a",), (v6("::ffff:10.0.0.1"),)),
    "link-local without link": Host(("a",), (v6("fe80::1"),)),
    "link of a global address": Host(("a",), (v6("fd00::1", ifindex=2),)),
    "time before 1970": Host(("a",), (), -1),
    "over 2 KiB": Host(
        tuple(f"{c * 63}.{'b' * 63}.{'c' * 63}.{'d' * 61}" for c in "abcd"),
        tuple(v4(f"10.0.0.{i}") for i in range(32)),
    ),
}


@pytest.mark.parametrize("host", NOT_HOSTS.values(), ids=NOT_HOSTS.keys())
def test_a_host_that_the_format_cannot_say_is_refused(host: Host) -> None:
    with pytest.raises(ValueError, match=r"."):
        snapshot.pack(host)


def test_a_host_may_have_the_longest_name_and_all_32_addresses(write: Write) -> None:
    longest = f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 61}"
    assert len(longest) == 253
    host = Host((longest, "web1"), tuple(v6(f"fd00::{i:x}") for i in range(1, 33)))
    path = write(encode(host))
    assert snapshot.lookup(path, f"{longest}.", now=NOW) == Answer("found", *host[:2])


def test_two_hosts_with_one_name_are_refused_by_that_name() -> None:
    with pytest.raises(ValueError, match="two hosts have the name db"):
        encode(DB, Host(("web2", "db"), ()))


def test_an_address_of_several_hosts_belongs_to_the_first(write: Write) -> None:
    hosts = [Host((f"web{i}",), (v4("10.0.0.1"),)) for i in range(40)]
    path = write(encode(*hosts))
    found = snapshot.lookup_address(path, socket.inet_aton("10.0.0.1"), now=NOW)
    assert found.names == ("web0",)


def test_a_host_may_have_one_link_local_address_on_two_links(write: Write) -> None:
    links = v6("fe80::1", NOW, ifindex=2), v6("fe80::1", ifindex=3), v6("fe80::1", ifindex=4)
    path = write(encode(Host(("router",), links), DB))
    assert snapshot.lookup(path, "router", now=NOW).addresses == links[1:]
    found = snapshot.lookup_address(path, links[0].packed, now=NOW)
    assert (found.names, found.addresses) == (("router",), links[1:2])


@pytest.mark.parametrize("junk", [b"x", bytes(64), snapshot.pack(DB)[:-8]], ids=len)
def test_records_that_pack_did_not_make_are_refused(junk: bytes) -> None:
    with pytest.raises(ValueError, match="not a packed record"):
        snapshot.Table().put(junk)


def test_more_hosts_than_the_design_limit_are_refused_with_a_hint(write: Write) -> None:
    long = (Host((f"{i:060}.{'b' * 63}.{'c' * 63}.{'d' * 60}",), ()) for i in range(280_000))
    table = snapshot.Table()
    with pytest.raises(SnapshotError, match=r"more than 2\d{5} hosts do not fit") as caught:
        any(not table.put(snapshot.pack(host)) for host in long)
    assert caught.value.hint
    path = write(b"".join(table.parts(generation=1, published=NOW)))
    assert snapshot.check(path).hosts == len(table)


def test_the_same_seed_makes_the_same_file() -> None:
    assert encode(WEB1, DB) == encode(WEB1, DB)
    assert encode(WEB1) != snapshot.encode([WEB1], generation=7, published=NOW)


def test_every_key_of_20000_hosts_is_within_its_probe_window(write: Write) -> None:
    hosts = [
        Host((f"web{i}", f"web{i}.lab.internal"), (v4(f"10.{i >> 8}.{i & 255}.1"),))
        for i in range(20_000)
    ]
    path = write(snapshot.encode(hosts, generation=1, published=NOW))
    assert snapshot.check(path) == (1, NOW, 20_000, 0)
    for host in hosts[::97]:
        for name in host.names:
            assert snapshot.lookup(path, name, now=NOW).names == host.names


def test_the_oracles_hash_is_that_of_the_paper() -> None:
    assert siphash(bytes(range(16)), bytes(range(15))) == 0xA129CA6149BE45E5


QUESTIONS = {
    "canonical": ("web1", socket.AF_UNSPEC, "found"),
    "alias": ("web1.default.internal", socket.AF_UNSPEC, "found"),
    "any case": ("WeB1", V4, "found"),
    "final dot": ("web1.", V4, "found"),
    "unknown": ("web2", V4, "unknown"),
    "below a host": ("www.web1", V4, "unknown"),
    "empty": ("", V4, "unknown"),
    "only a dot": (".", V4, "unknown"),
    "two final dots": ("web1..", V4, "unknown"),
    "leading dot": (".web1", V4, "unknown"),
    "space": ("we b", V4, "unknown"),
    "NUL inside": ("web1\0x", V4, "unknown"),
    "not ASCII": ("wéb1", V4, "unknown"),
    "lone surrogate": ("web\udc80", V4, "unknown"),
    "other family": ("db", V6, "no data"),
    "pending": ("starting", socket.AF_UNSPEC, "not yet"),
    "pending, one family": ("starting", V6, "not yet"),
    "half pending, any": ("half", socket.AF_UNSPEC, "found"),
    "half pending, awaited": ("half", V6, "not yet"),
}


@pytest.mark.parametrize(("name", "family", "status"), QUESTIONS.values(), ids=QUESTIONS.keys())
def test_a_question_by_name_has_this_status(
    write: Write, name: str, family: int, status: str
) -> None:
    path = write(encode(WEB1, DB, STARTING, HALF))
    assert snapshot.lookup(path, name, family, now=NOW).status == status


def test_an_answer_has_the_canonical_name_first_and_the_family_that_was_asked(write: Write) -> None:
    path = write(encode(WEB1))
    assert snapshot.lookup(path, "web1.default.internal", V4, NOW) == Answer(
        "found", WEB1.names, WEB1.addresses[:1]
    )


def test_each_address_ends_at_its_own_expiry_whether_or_not_the_service_lives(write: Write) -> None:
    short, long = v4("10.0.0.1", NOW + 10), v6("fd00::1", NOW + 20)
    path = write(encode(Host(("web1",), (short, long))))
    assert snapshot.lookup(path, "web1", now=NOW + 9).addresses == (short, long)
    assert snapshot.lookup(path, "web1", now=NOW + 10).addresses == (long,)
    assert snapshot.lookup(path, "web1", V4, now=NOW + 10).status == "no data"
    assert snapshot.lookup(path, "web1", now=NOW + 20).status == "unknown"
    assert snapshot.lookup_address(path, short.packed, NOW + 9).status == "found"
    assert snapshot.lookup_address(path, short.packed, NOW + 10).status == "unknown"


def test_a_pending_host_is_unknown_from_its_deadline_on(write: Write) -> None:
    path = write(encode(STARTING))
    assert snapshot.lookup(path, "starting", now=LATER - 1).status == "not yet"
    assert snapshot.lookup(path, "starting", now=LATER).status == "unknown"


def test_a_mapped_address_is_looked_up_as_the_ipv4_address_it_is(write: Write) -> None:
    path = write(encode(DB))
    mapped = socket.inet_pton(V6, "::ffff:10.77.0.6")
    assert snapshot.lookup_address(path, mapped, NOW).names == ("db",)


def test_an_address_has_4_or_16_bytes(write: Write) -> None:
    with pytest.raises(ValueError, match="not 5"):
        snapshot.lookup_address(write(encode(DB)), b"12345")


def _of_major(major: int, table: bytes) -> bytes:
    header = table[:12] + struct.pack("=H", major) + table[14:100]
    return header + struct.pack("=I", zlib.crc32(header)) + table[104:]


def test_a_file_that_is_no_snapshot_is_one_clear_line(tmp_path: Path, write: Write) -> None:
    good = encode(WEB1)
    path = write(good)
    path.chmod(0o666)
    cases: dict[str, Callable[[], object]] = {
        "others may write": lambda: snapshot.check(path),
        "No such file": lambda: snapshot.read(tmp_path / "none"),
        "not a regular file": lambda: snapshot.check(tmp_path),
        "not a host table": lambda: snapshot.lookup(write(b"127.0.0.1 localhost\n"), "web1"),
        "not a host table of this version": lambda: snapshot.check(write(_of_major(1, good))),
        "damaged": lambda: snapshot.check(write(good[:-1] + b"x")),
        "damaged one": lambda: snapshot.check(write(good[:-8])),
    }
    for text, action in cases.items():
        with pytest.raises(SnapshotError, match=text):
            action()


def test_a_symlink_is_not_followed_and_a_fifo_does_not_hang(tmp_path: Path, write: Write) -> None:
    (tmp_path / "link").symlink_to(write(encode(WEB1)))
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name in ("link", "fifo"):
        with pytest.raises(SnapshotError):
            snapshot.lookup(tmp_path / name, "web1")


def test_importing_the_module_loads_no_heavy_library() -> None:
    heavy = "{'asyncio', 'click', 'msgspec', 'leasewatch', 'pycparser', 'cffi'}"
    code = f"import sys, nss_pyvirt.snapshot; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
