"""Incus' and LXD's dnsmasq.hosts: whose name each line gives to which card."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasewatch.errors import ParseError
from leasewatch.sources import incus
from leasewatch.sources.source import Owner

PATH = "/var/lib/incus/networks/incusbr0/dnsmasq.hosts/web1.eth0"
MAC = "10:66:6a:00:00:01"


@pytest.mark.parametrize(
    "line",
    [
        b"10:66:6a:00:00:01,web1",
        b"10:66:6A:00:00:01,10.1.2.3,web1",
        b"10:66:6a:00:00:01,10.1.2.3,[fd42::5],web1",
        b"10:66:6a:00:00:01,[fd42::5],web1",
    ],
)
def test_the_last_field_names_the_card(line: bytes) -> None:
    assert incus.parse_owners(line + b"\n", PATH) == ([Owner("web1", "web1", MAC)], [])


@pytest.mark.parametrize(
    "line", [b"10:66:6a:00:00:01,10.1.2.3", b"10:66:6a:00:00:01,[fd42::5]", b"10:66:6a:00:00:01"]
)
def test_a_card_without_a_name_has_no_owner(line: bytes) -> None:
    assert incus.parse_owners(line + b"\n", PATH) == ([], [])


@pytest.mark.parametrize(
    ("file", "name", "key", "aliases"),
    [
        ("web1.eth0", "web1", "web1", ()),
        ("web1.eth0.100", "web1", "web1", ()),
        ("web1.my_nic", "web1", "web1", ()),
        ("staging_web1.eth-1", "web1", "staging_web1", ("web1.staging",)),  # Incus 6.9
        ("a.b.c_web1.eth0", "web1", "a.b.c_web1", ("web1.a.b.c",)),
        ("shop_web1.eth0", "web1.shop", "shop_web1", ("web1.shop",)),  # LXD
        ("shop_web1.eth.1_2", "web1.shop", "shop_web1", ("web1.shop",)),
        ("a.b.c_web1.eth0", "web1.a.b.c", "a.b.c_web1", ("web1.a.b.c",)),
        ("my_shop_web1.eth0", "web1.my_shop", "my_shop_web1", ("web1.my_shop",)),
        ("my_shop_web1", "web1.my_shop", "my_shop_web1", ("web1.my_shop",)),  # LXD 4
        ("web1_web1.eth0", "web1", "web1_web1", ("web1.web1",)),
    ],
)
def test_the_file_name_gives_instance_and_project(
    file: str, name: str, key: str, aliases: tuple[str, ...]
) -> None:
    path = PATH.replace("web1.eth0", file)
    for line in (f"{MAC},{name}\n", f"{MAC},10.1.2.3,[fd42::5],{name}\n"):
        assert incus.parse_owners(line.encode(), path) == ([Owner(key, "web1", MAC, aliases)], [])


@pytest.mark.parametrize(
    ("file", "name"),
    [("web1.eth0", "web2"), ("web1.eth0", "web1.shop"), ("shop_web1.eth0", "web1.blog")],
)
def test_a_name_that_is_not_the_files_counts_as_it_is(file: str, name: str) -> None:
    path = PATH.replace("web1.eth0", file)
    key = file.removesuffix(".eth0")
    assert incus.parse_owners(f"{MAC},{name}\n".encode(), path) == ([Owner(key, name, MAC)], [])


@pytest.mark.parametrize(
    ("file", "keys"), [("web1", ["web1"]), ("staging_web1", ["staging_web1"]), ("sedvytJcd", [])]
)
def test_files_without_a_device_count_only_for_an_older_lxd(file: str, keys: list[str]) -> None:
    owners, errors = incus.parse_owners(
        b"10:66:6a:00:00:01,web1\n", PATH.replace("web1.eth0", file)
    )
    assert ([owner.key for owner in owners], errors) == (keys, [])


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"web1\n", "mac"),
        (b"10:66:6a:00:00,web1\n", "mac"),
        (b"10:66:6a:00:00:01,we b1\n", "hostname"),
        (b"10:66:6a:00:00:01,\n", "hostname"),
        (b"10:66:6a:00:00:01," + b"x" * 2000 + b"\n", "line"),
    ],
    ids=lambda v: repr(v)[:40],
)
def test_a_bad_line_is_a_fault_with_file_line_and_field(data: bytes, field: str) -> None:
    owners, (error,) = incus.parse_owners(b"10:66:6a:00:00:01,web1\n" + data, PATH)
    assert len(owners) == 1
    assert (error.file, error.line, error.field) == (PATH, 2, field)


@pytest.mark.parametrize("data", [b"", b"10:66:6a:00:00:01,we"])
def test_a_file_that_is_still_being_written_says_nothing_yet(data: bytes) -> None:
    with pytest.raises(ParseError):
        incus.parse_owners(data, PATH)


PARTS = st.one_of(st.binary(max_size=20), st.sampled_from([MAC.encode(), b"10.0.0.1", b"[fd::1]"]))


@given(st.lists(PARTS, max_size=5).map(b",".join))
def test_any_bytes_are_owners_or_the_typed_error(line: bytes) -> None:
    owners, errors = incus.parse_owners(line + b"\n", PATH)
    assert all(error.what.isprintable() for error in errors)
    assert all(owner.mac == owner.mac.lower() and owner.name.isprintable() for owner in owners)
