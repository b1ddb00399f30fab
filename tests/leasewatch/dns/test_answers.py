"""What the DNS server answers to which question."""

from __future__ import annotations

import pytest

from tests.leasewatch.dns.naming import Asked, table


@pytest.mark.parametrize(
    ("name", "rdtype", "expected"),
    [
        ("web1.lab.internal", "A", ["10.77.0.5"]),
        ("web1.lab.internal", "AAAA", ["fd00:77::5"]),
        ("WEB1.Lab.Internal", "A", ["10.77.0.5"]),
        ("web1", "A", ["10.77.0.5"]),
        ("www", "A", ["10.77.0.5"]),
        ("two", "A", ["10.77.0.9", "10.78.0.79"]),
        ("two.lab.internal", "A", ["10.77.0.9"]),
        ("a.deep", "A", ["10.77.0.11"]),
        ("5.0.77.10.in-addr.arpa", "PTR", ["web1.lab.internal."]),
        ("70.0.78.10.in-addr.arpa", "PTR", ["db.dmz.internal."]),
        ("79.0.78.10.in-addr.arpa", "PTR", ["two.dmz.internal."]),
        ("4.3.81.10.in-addr.arpa", "PTR", ["far.big.example.test."]),
        ("web1.lab.internal", "ANY", ['"RFC8482" ""']),
        ("lab.internal", "NS", ["lab.internal."]),
        ("0.77.10.in-addr.arpa", "NS", ["0.77.10.in-addr.arpa."]),
    ],
)
def test_a_name_that_exists_is_answered(name: str, rdtype: str, expected: list[str]) -> None:
    assert Asked(table()).find(name, rdtype) == expected


@pytest.mark.parametrize(
    ("name", "rdtype"),
    [
        ("web1.lab.internal", "MX"),
        ("db.dmz.internal", "AAAA"),
        ("db", "AAAA"),
        ("deep.lab.internal", "A"),
        ("lab.internal", "A"),
        ("link.lab.internal", "AAAA"),
        ("link.lab.internal", "A"),
        ("5.0.77.10.in-addr.arpa", "A"),
        ("0.77.10.in-addr.arpa", "PTR"),
        ("81.10.in-addr.arpa", "PTR"),
        ("82.10.in-addr.arpa", "PTR"),
        ("0.78.10.in-addr.arpa", "PTR"),
        ("3.81.10.in-addr.arpa", "NS"),
        ("0.0.0.0.0.0.0.0.7.7.0.0.0.0.d.f.ip6.arpa", "PTR"),
        ("0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.7.0.0.0.0.d.f.ip6.arpa", "A"),
    ],
)
def test_a_name_without_this_type_has_no_data(name: str, rdtype: str) -> None:
    assert Asked(table()).find(name, rdtype) == "NODATA"


@pytest.mark.parametrize(
    ("name", "rdtype"),
    [
        ("nobody.lab.internal", "A"),
        ("x.web1.lab.internal", "A"),
        ("web1.dmz.internal", "A"),
        ("web1\\.lab.lab.internal", "A"),
        ("web1\\000.lab.internal", "A"),
        ("6.0.77.10.in-addr.arpa", "PTR"),
        ("71.0.78.10.in-addr.arpa", "PTR"),
        ("9.81.10.in-addr.arpa", "PTR"),
        ("x.5.0.77.10.in-addr.arpa", "PTR"),
        ("1.0.0.0.0.0.0.0.0.7.7.0.0.0.0.d.f.ip6.arpa", "PTR"),
    ],
)
def test_a_name_that_does_not_exist_in_a_zone_of_ours_is_denied(name: str, rdtype: str) -> None:
    assert Asked(table()).find(name, rdtype) == "NXDOMAIN"
