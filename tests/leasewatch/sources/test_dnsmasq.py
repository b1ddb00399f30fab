"""dnsmasq's lines: what each yields. Anything else is a fault with its line number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasewatch.addresses import parse, text
from leasewatch.errors import LostFieldError, ParseError
from leasewatch.model import Lease, LeaseFile
from leasewatch.sources import dnsmasq

FILE = LeaseFile(path="/l/lab.leases", network="lab", suffix="internal")


def lease(**fields: object) -> Lease:
    return Lease(source=FILE.path, network="lab", **fields)  # type: ignore[arg-type]


GOOD = [
    (
        b"1795420405 52:54:00:00:00:04 10.77.0.82 db1 ff:00:00:00:01:00:01:2a",
        lease(
            address=parse("10.77.0.82"),
            expires=1795420405,
            hwaddr="52:54:00:00:00:04",
            hostname="db1",
            client_id="ff:00:00:00:01:00:01:2a",
        ),
    ),
    (
        b"0 52:54:00:AA:00:03 10.77.0.81 * *",
        lease(address=parse("10.77.0.81"), expires=0, hwaddr="52:54:00:aa:00:03"),
    ),
    (
        b"5 06-52:54:00:00 10.0.0.1 Foo *",
        lease(address=parse("10.0.0.1"), expires=5, hwaddr="06-52:54:00:00", hostname="Foo"),
    ),
    (
        b"5 01-52:54:00:00:00:01 10.0.0.1 * *",
        lease(address=parse("10.0.0.1"), expires=5, hwaddr="52:54:00:00:00:01"),
    ),
    (b"5 ff- 10.0.0.1 * *", lease(address=parse("10.0.0.1"), expires=5)),
    (b"5 * 10.0.0.1 * *", lease(address=parse("10.0.0.1"), expires=5)),
    (
        b"1795416955 3 FD77:0::1e68 * 00:01:00:01:32:96:9f:83:52:54:00:00:00:03",
        lease(
            address=parse("fd77::1e68"),
            expires=1795416955,
            iaid=3,
            client_id="00:01:00:01:32:96:9f:83:52:54:00:00:00:03",
        ),
    ),
    (
        b"0 T4294967295 fd77::1 dcd6 *",
        lease(address=parse("fd77::1"), expires=0, iaid=4294967295, hostname="dcd6"),
    ),
]

LOST = [
    (b"", "line"),
    (b"duid", "line"),
    (b"vendorclass 10.0.0.1 MSFT", "line"),
    (b"no lease of anybody's", "line"),
    (b"<html> 10", "line"),
    (b"1 52:54:00:00:00:04 10.0.0.1 db1", "line"),
    (b"1 52:54:00:00:00:04 10.0.0.1 db1 * *", "line"),
    (b"1  52:54:00:00:00:04 10.0.0.1 db1 *", "line"),
    (b"1 52:54:00:00:00:04 10.0.0.1 " + b"h" * 3000 + b" *", "line"),
    (b"-1 52:54:00:00:00:04 10.0.0.1 * *", "expires"),
    (b"1_0 52:54:00:00:00:04 10.0.0.1 * *", "expires"),
    (b"9999999999999999999 52:54:00:00:00:04 10.0.0.1 * *", "expires"),
    ("\u0661 52:54:00:00:00:04 10.0.0.1 * *".encode(), "expires"),
    (b"1 52:54:00:00:00:04 10.0.0.256 * *", "address"),
    (b"1 52:54:00:00:00:04 10.1 * *", "address"),
    (b"1 52:54:00:00:00:04 127.0.0.1 * *", "address"),
    (b"1 52:54:00:00:00:04 0.0.0.0 * *", "address"),
    (b"1 52:54:00:00:00:04 224.0.0.1 * *", "address"),
    (b"1 3 ::1 * *", "address"),
    (b"1 3 ::ffff:10.0.0.1 * *", "address"),
    (b"1 3 ff02::1 * *", "address"),
    (b"1 3 fe80::1%eth0 * *", "address"),
]
LEFT_OUT = [
    (b"1 52:54:0:00:00:04 10.0.0.1 * *", "hwaddr"),
    (b"1 52:54:00:00:00:0g 10.0.0.1 * *", "hwaddr"),
    (b"1  10.0.0.1 * *", "hwaddr"),
    (b"1 T fd77::1 * *", "IAID"),
    (b"1 4294967296 fd77::1 * *", "IAID"),
    (b"1 52:54:00:00:00:04 fd77::1 * *", "IAID"),
    (b"1 52:54:00:00:00:04 10.0.0.1 w\x1b[31m *", "hostname"),
    (b"1 52:54:00:00:00:04 10.0.0.1 w\xc3\xa9b *", "hostname"),
    (b"1 52:54:00:00:00:04 10.0.0.1  *", "hostname"),
    (b"1 52:54:00:00:00:04 10.0.0.1 * 0", "client-id"),
    (b"1 52:54:00:00:00:04 10.0.0.1 * 00:", "client-id"),
]


@pytest.mark.parametrize(("line", "expected"), GOOD, ids=lambda v: repr(v)[:40])
def test_a_good_line_is_the_lease_that_it_says(line: bytes, expected: Lease) -> None:
    faults: list[ParseError] = []
    assert dnsmasq.parse_line(line, FILE, faults) == expected
    assert not faults


@pytest.mark.parametrize(
    "line",
    [
        b"duid 00:01:00:01:32:96:9f:81:2a:3f:b3:1d:3f:5b",
        b"vendorclass 10.0.0.1 4d:53:46:54:20:35:2e:30",
        b"agent-info 10.0.0.1 01:04:65:74:68:30",
        b"vendorclass fd00::1 " + b":".join([b"4d"] * 255),
        b"fingerprint 10.0.0.1 01:03:06",  # as a later version might
        b"version 3",
    ],
    ids=lambda line: line[:20],
)
def test_a_note_is_no_lease_and_no_fault(line: bytes) -> None:
    assert dnsmasq.parse(line + b"\n", FILE) == ([], [])


@pytest.mark.parametrize(("line", "field"), LOST, ids=lambda v: repr(v)[:40])
def test_a_line_without_a_readable_address_and_end_is_a_fault(line: bytes, field: str) -> None:
    with pytest.raises(ParseError) as caught:
        dnsmasq.parse_line(line, FILE, [])
    assert (caught.value.file, caught.value.field) == (FILE.path, field)
    assert caught.value.what.isprintable()
    assert len(caught.value.what) < 400


@pytest.mark.parametrize(("line", "field"), LEFT_OUT, ids=lambda v: repr(v)[:40])
def test_a_bad_field_is_omitted_and_reported_and_the_lease_counts(line: bytes, field: str) -> None:
    (found,), (fault,) = dnsmasq.parse(line + b"\n", FILE)
    assert isinstance(fault, LostFieldError)
    assert (fault.file, fault.field) == (FILE.path, field)
    assert fault.what.isprintable()
    said = {"hwaddr": found.hwaddr, "IAID": found.iaid, "hostname": found.hostname}
    said["client-id"] = found.client_id
    assert (text(found.address), found.expires) == (line.split(b" ")[2].decode(), 1)
    assert said[field] is None
    assert field in ("hwaddr", "IAID") or found.hwaddr == "52:54:00:00:00:04"


def test_good_lines_count_beside_bad_ones_and_an_unfinished_line_does_not() -> None:
    data = b"junk\n%s\nduid 00:01\n%s" % (GOOD[0][0], GOOD[1][0])
    leases, errors = dnsmasq.parse(data, FILE)
    assert leases == [GOOD[0][1]]
    assert [error.field for error in errors] == ["line"]


FIELDS = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([b"0", b"*", b"10.0.0.1", b"fd77::1", b"52:54:00:00:00:01", b"web1", b"T1"]),
)


@given(st.one_of(st.binary(max_size=300), st.lists(FIELDS, max_size=6).map(b" ".join)))
def test_any_bytes_are_a_lease_a_note_or_the_typed_error(line: bytes) -> None:
    leases, errors = dnsmasq.parse(line.replace(b"\n", b"") + b"\n", FILE)
    lost = [error for error in errors if not isinstance(error, LostFieldError)]
    assert len(leases) + len(lost) <= 1
    assert leases or lost or line[:1].islower()
    assert all(error.what.isprintable() for error in errors)


def test_the_servers_duid_is_read_from_a_whole_line_only() -> None:
    leases = b"0 52:54:00:00:00:02 10.7.0.6 db *\nduid 00:01:ff\n0 5 fd00::9 * 00:03:01\n"
    assert dnsmasq.server_duid(leases) == b"00:01:ff"
    assert dnsmasq.server_duid(b"duid 00:01") is None
    assert dnsmasq.server_duid(b"") is None
