"""Which names go to the flat zone, and at which addresses."""

from __future__ import annotations

import pytest

from leasewatch.dns import update_names
from leasewatch.dns.update_names import Wanted
from leasewatch.model import HostRecord
from tests.leasewatch.dns.exporting import a_table, set_name


def _all(wanted: Wanted) -> dict[str, tuple[str, ...]]:
    return {name: wanted.get(name) for name in wanted}


def test_an_owners_name_stands_alone_and_a_guests_below_its_network() -> None:
    table, wanted = a_table(), Wanted("vms.test")
    changed = set_name(table, "web1", "10.77.0.5", "fd00::5", aliases=("www", "a.b"))
    changed |= set_name(table, "printer", "10.77.0.9", trust="guest")
    touched = wanted.change(table, changed)
    both = ("10.77.0.5", "fd00::5")
    assert _all(wanted) == {"web1": both, "www": both, "a.b": both, "printer.lab": ("10.77.0.9",)}
    assert touched == set(wanted)


def test_no_link_local_address_and_no_name_without_address_leaves_the_host() -> None:
    table, wanted = a_table(), Wanted("vms.test")
    changed = set_name(table, "web1", "fe80::5", "169.254.1.1", "10.77.0.5")
    changed |= set_name(table, "web2", "fe80::6")
    table.set("web3", (HostRecord(("web3",), (), "owner", pending_until=2**33),))
    wanted.change(table, changed | {"web3"})
    assert _all(wanted) == {"web1": ("10.77.0.5",)}


def test_the_order_of_addresses_is_no_change() -> None:
    table, wanted = a_table(), Wanted("vms.test")
    wanted.change(table, set_name(table, "web1", "10.77.0.5", "10.77.0.4"))
    before = wanted.get("web1")
    wanted.change(table, set_name(table, "web1", "10.77.0.4", "10.77.0.5"))
    assert wanted.get("web1") == before


def test_a_name_that_goes_is_touched_and_wanted_no_more() -> None:
    table, wanted = a_table(), Wanted("vms.test")
    wanted.change(table, set_name(table, "web1", "10.77.0.5"))
    assert wanted.change(table, set_name(table, "web1")) == {"web1"}
    assert wanted.get("web1") == ()
    assert not len(wanted)


def test_a_name_that_an_owner_takes_from_a_guest_moves() -> None:
    table, wanted = a_table(), Wanted("vms.test")
    wanted.change(table, set_name(table, "web1", "10.77.0.5", trust="guest"))
    touched = wanted.change(table, set_name(table, "web1", "10.77.0.5"))
    assert touched == {"web1.lab", "web1"}
    assert list(wanted) == ["web1"]


def test_an_owners_dotted_name_comes_before_the_same_name_of_a_guest() -> None:
    table, wanted = a_table(), Wanted("vms.test")
    changed = set_name(table, "web1", "10.77.0.5", trust="guest")
    changed |= set_name(table, "web1.lab", "10.77.0.6", network="dmz")
    wanted.change(table, changed)
    assert _all(wanted) == {"web1.lab": ("10.77.0.6",)}
    wanted.change(table, set_name(table, "web1.lab"))
    assert _all(wanted) == {"web1.lab": ("10.77.0.5",)}


def test_names_that_the_owner_record_needs_or_that_are_too_long_stay_here() -> None:
    zone = "vms.test"
    table, wanted = a_table(), Wanted(zone)
    longest = ".".join(["a" * 59] * 4)[: 253 - len(f"_pyvirt..{zone}")]
    changed = set_name(table, "_pyvirt.web1", "10.77.0.5")
    changed |= set_name(table, longest, "10.77.0.6") | set_name(table, f"{longest}a", "10.77.0.7")
    wanted.change(table, changed)
    assert list(wanted) == [longest]


def test_the_number_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update_names, "MAX_NAMES", 2)
    table, wanted = a_table(), Wanted("vms.test")
    for name in ("a", "b", "c"):
        wanted.change(table, set_name(table, name, "10.77.0.5"))
    assert (list(wanted), wanted.omitted) == (["a", "b"], 1)
