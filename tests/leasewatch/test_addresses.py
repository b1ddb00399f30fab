"""IP addresses and MACs, from text and back."""

from __future__ import annotations

import pytest

from leasewatch import addresses


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("FD12:0::5", "fd12::5"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("web1", None),
        ("10.0.0", None),
        ("10.0.0.010", None),
        ("10.0.0.1\0", None),
        ("\udcff", None),
        ("", None),
    ],
)
def test_a_query_is_an_address_or_a_name(query: str, found: str | None) -> None:
    address = addresses.queried(query)
    assert (address and addresses.text(address)) == found


@pytest.mark.parametrize(
    ("text", "has_scope", "is_link_local"),
    [
        ("fe80::1", True, True),
        ("febf:ffff::1", True, True),
        ("fec0::1", False, False),
        ("fe8::1", False, False),
        ("169.254.0.1", False, True),
        ("169.255.0.1", False, False),
        ("a9fe::1", False, False),
    ],
)
def test_a_link_local_address_is_known_by_its_prefix(
    text: str, *, has_scope: bool, is_link_local: bool
) -> None:
    address = addresses.parse(text)
    assert addresses.has_scope(address) == has_scope
    assert addresses.is_link_local(address) == is_link_local


@pytest.mark.parametrize("text", ["52:54:00:AB:CD:EF", "52-54-00-ab-cd-ef"])
def test_a_mac_is_read_in_any_case_with_either_separator(text: str) -> None:
    mac = addresses.parse_mac(text)
    assert mac == "52:54:00:ab:cd:ef"
    assert addresses.octets(mac) == b"\x52\x54\x00\xab\xcd\xef"


def test_an_interface_id_follows_from_its_mac() -> None:
    assert addresses.interface_id("52:54:00:12:34:56").hex() == "505400fffe123456"  # RFC 4291 A
    assert addresses.interface_id("02:00:00:00:00:01").hex() == "000000fffe000001"


@pytest.mark.parametrize("text", ["", "52:54:00:ab:cd", "52:54:00:ab:cd:ef\n", "52:54:00:ab:cd:eg"])
def test_what_is_no_mac_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a MAC"):
        addresses.parse_mac(text)
