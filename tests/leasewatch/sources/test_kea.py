"""Kea's CSV: which line counts for an address, what it yields, and what is a fault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasewatch import addresses
from leasewatch.errors import LostFieldError, ParseError
from leasewatch.model import Lease, LeaseFile
from leasewatch.sources import kea
from leasewatch.sources.source import parse

FILE = LeaseFile(path="/var/lib/kea/kea-leases4.csv", network="kea", suffix="internal")
HEADER4 = (
    b"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,"
    b"user_context,pool_id\n"
)
HEADER6 = (
    b"address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,"
    b"fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id\n"
)


def leases(data: bytes) -> list[Lease]:
    found = (kea.parse_record(record, FILE, []) for record in kea.records(data, FILE.path))
    return [lease for lease in found if lease is not None]


def lease(**fields: object) -> Lease:
    return Lease(source=FILE.path, network="kea", **fields)  # type: ignore[arg-type]


def test_a_line_is_the_lease_that_it_says() -> None:
    line = b"10.0.0.5,52:54:00:00:00:05,01:52:54:00:00:00:05,3600,1800000000,1,0,0,web1.,0,,0\n"
    assert leases(HEADER4 + line) == [
        lease(
            address=addresses.parse("10.0.0.5"),
            expires=1800000000,
            hwaddr="52:54:00:00:00:05",
            client_id="01:52:54:00:00:00:05",
            hostname="web1",
        )
    ]


def test_a_dhcpv6_line_proves_no_mac_and_a_prefix_is_no_address() -> None:
    duid = b"00:03:00:01:52:54:00:00:00:05"
    line = b"%s," + duid + b",3600,1800000000,1,1800,%s,7,%s,0,0,db1,52:54:00:00:00:05,0,,1,2,0\n"
    data = HEADER6 + line % (b"fd00::5", b"0", b"128") + line % (b"fd01::", b"2", b"56")
    assert leases(data) == [
        lease(
            address=addresses.parse("fd00::5"),
            expires=1800000000,
            client_id=duid.decode(),
            iaid=7,
            hostname="db1",
        )
    ]


def test_the_last_line_of_an_address_counts_wherever_the_header_is_again() -> None:
    old = b"10.0.0.5,52:54:00:00:00:05,,3600,1800000000,1,0,0,old,0,,0\n"
    new = b"10.0.0.5,52:54:00:00:00:06,,3600,1800000001,1,0,0,new,0,,0\n"
    (found,) = leases(HEADER4 + old + HEADER4 + b"# comment\n\n" + new + old[:30])
    assert (found.hostname, found.expires) == ("new", 1800000001)


@pytest.mark.parametrize(
    ("lifetime", "state", "there"),
    [
        (3600, 0, True),
        (3600, 1, False),
        (3600, 2, False),
        (3600, 3, False),
        (3600, 4, True),
        (3600, 9, False),
        (0, 0, False),
        (0, 4, False),
    ],
)
def test_a_lease_holds_in_its_default_state_or_registered_and_for_a_lifetime(
    lifetime: int, state: int, there: bool
) -> None:
    line = f"10.0.0.5,52:54:00:00:00:05,,{lifetime},1800000000,1,0,0,web1,{state},,0\n"
    assert bool(leases(HEADER4 + line.encode())) is there


def test_a_lease_of_infinite_lifetime_never_ends() -> None:
    line = b"10.0.0.5,52:54:00:00:00:05,,4294967295,1700000000,1,0,0,,0,,0\n"
    (found,) = leases(HEADER4 + line)
    assert (found.expires, found.hostname) == (0, None)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"x,52:54:00:00:00:05,,3600,1800000000,1,0,0,web1,0", "address"),
        (b"127.0.0.1,52:54:00:00:00:05,,3600,1800000000,1,0,0,web1,0", "address"),
        (b"10.0.0.5,52:54:00:00:00:05,,3600,1800000000,1,0,0", "line"),
        (b"fd00::5,52:54:00:00:00:05,,3600,1800000000,1,0,0,web1,0", "line"),
        (b"10.0.0.5,52:54:00:00:00:05,,-1,1800000000,1,0,0,web1,0", "valid_lifetime"),
        (b"10.0.0.5,52:54:00:00:00:05,,3600,never,1,0,0,web1,0", "expires"),
        (b"10.0.0.5,52:54:00:00:00:05,,3600,1800000000,1,0,0,web1,on", "state"),
        (b"10.0.0.5,52:54:00:00:00:05,,3600,1800000000,1,0,0," + b"x" * 5000 + b",0", "line"),
    ],
    ids=lambda v: repr(v)[:60],
)
def test_a_line_that_does_not_say_whether_and_until_when_it_holds_is_a_fault(
    line: bytes, field: str
) -> None:
    with pytest.raises(ParseError) as caught:
        leases(HEADER4 + line + b"\n")
    assert (caught.value.file, caught.value.field) == (FILE.path, field)
    assert caught.value.what.isprintable()


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"10.0.0.5,zz,,3600,1800000000,1,0,0,web1,0", "hwaddr"),
        (b"10.0.0.5,52:54:00:00:00:05,x,3600,1800000000,1,0,0,web1,0", "client-id"),
        (b"10.0.0.5,52:54:00:00:00:05,,3600,1800000000,1,0,0,we b1,0", "hostname"),
        (b"10.0.0.5,52:54:00:00:00:05,,3600,1800000000,1,0,0,a&#x0ab,0", "hostname"),
        (b"fd00::5,00:03,3600,1800000000,1,1800,0,-7,128,0,0,web1,,0", "IAID"),
        (b"fd00::5,0x0003,3600,1800000000,1,1800,0,7,128,0,0,web1,,0", "client-id"),
    ],
    ids=lambda v: repr(v)[:60],
)
def test_a_bad_field_is_omitted_and_reported_and_the_lease_counts(line: bytes, field: str) -> None:
    (found,), (fault,) = parse(kea.SOURCE, HEADER4 + line + b"\n", FILE)
    assert isinstance(fault, LostFieldError)
    assert (fault.file, fault.field) == (FILE.path, field)
    said = {"hwaddr": found.hwaddr, "client-id": found.client_id, "IAID": found.iaid}
    assert ({"hostname": found.hostname} | said)[field] is None
    assert found.expires == 1800000000
    assert field == "hostname" or found.hostname == "web1"


def test_lines_of_versions_with_fewer_columns_and_with_more_are_leases() -> None:
    line = b"10.0.0.%d,52:54:00:00:00:05,,3600,1800000000,1,0,0,web1"
    ends = (b"", b",0", b',0,{ "a": 1&#x2c "b": 2 },7,and,more')
    data = HEADER4 + b"".join(line % n + end + b"\n" for n, end in enumerate(ends, 1))
    data += line % 4 + b",0," + b"x" * 10_000 + b"\n"
    assert [found.hostname for found in leases(data)] == ["web1"] * 4


def test_another_header_is_a_fault_of_the_whole_file() -> None:
    with pytest.raises(ParseError) as caught:
        leases(b"address,ip,mac\n10.0.0.5,1,2\n")
    assert (caught.value.line, caught.value.field) == (1, "header")


CELLS = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"10.0.0.1", b"fd00::1", b"3600", b"0", b"", b"52:54:00:00:00:01", b"&#x00"]),
)


@given(st.lists(st.lists(CELLS, max_size=15).map(b",".join), max_size=4).map(b"\n".join))
def test_any_bytes_are_leases_or_the_typed_error(text: bytes) -> None:
    found, errors = parse(kea.SOURCE, HEADER4 + text + b"\n", FILE)
    assert all(lease.address for lease in found)
    assert all(error.what.isprintable() and error.field for error in errors)
