"""Leases that were given back: which are, and what that says of who was seen at their addresses."""

from __future__ import annotations

import math

import pytest

from leasewatch.addresses import parse
from leasewatch.model import Lease, LeaseChange
from leasewatch.neighbours.given_back import Past, is_given_back, unseen
from leasewatch.neighbours.table import (
    DOUBT_SECONDS,
    FAILED,
    FAILED_SECONDS,
    PROBE,
    REACHABLE,
    STALE,
)
from tests.leasewatch.kernel import Kernel
from tests.leasewatch.leasing import LATER, WALL, change, lease
from tests.leasewatch.naming import MAC


@pytest.mark.parametrize(
    ("old", "new", "wall", "given"),
    [
        pytest.param(lease(1), None, WALL, True, id="before its end"),
        pytest.param(lease(1, expires=0), None, WALL, True, id="it had no end"),
        pytest.param(lease(1), lease(1, client=2), WALL, True, id="another client has it"),
        pytest.param(lease(1), None, LATER, False, id="at its end"),
        pytest.param(lease(1), lease(1, client=2), LATER + 1.0, False, id="after it"),
        pytest.param(lease(1), lease(1, expires=LATER + 9), WALL, False, id="renewed"),
        pytest.param(lease(1), lease(1, "web2"), WALL, False, id="renamed"),
        pytest.param(None, lease(1), WALL, False, id="added"),
    ],
)
def test_a_lease_that_goes_before_its_end_was_given_back(
    old: Lease | None, new: Lease | None, wall: float, given: bool
) -> None:
    assert is_given_back(change(old, new), wall) == given


def test_a_file_that_is_watched_no_longer_gives_nothing_back() -> None:
    assert not is_given_back(LeaseChange(lease(1), None, 0, 0), WALL)


def past(number: int, until: float | None = None, expires: int = LATER) -> Past:
    of = lease(number)
    return Past(of.network, of.address, of.hwaddr, expires, until)


def test_a_lease_missing_after_a_restart_was_given_back_unless_it_ended_or_is_unknown() -> None:
    earlier = past(1, until=WALL - 60)
    unknown = Past("dmz", parse("10.9.0.1"), MAC(1), LATER, None)
    ended = past(4, expires=int(WALL) - 1)
    found = list(unseen([earlier, past(2), past(3), ended, unknown], [lease(3)], ["lab"], WALL))
    assert found == [(earlier, WALL - 60), (past(2), WALL)]


def test_an_address_that_another_card_has_leased_meanwhile_was_given_back_by_the_first() -> None:
    assert list(unseen([past(1)], [lease(1, client=9)], ["lab"], WALL)) == [(past(1), WALL)]


ADDRESSES = ("10.0.0.9", "10.0.0.10", "fd77::9", "fe80::9")


def seen_at(*addresses: str, mac: int = 1) -> Kernel:
    kernel = Kernel()
    for address in addresses:
        kernel.says(address, REACHABLE, mac)
    return kernel


def give_back(
    kernel: Kernel, address: str, mac: str | None = MAC(1), until: float = math.inf
) -> set[bytes]:
    """Returns the addresses that are to be asked for."""
    changes, doubtful = kernel.table.given_back("lab", parse(address), mac, until, kernel.now)
    kernel.take(changes)
    return {address for _, address in doubtful}


@pytest.mark.parametrize("mac", [MAC(1), None], ids=["recorded", "not recorded"])
@pytest.mark.parametrize("address", ["10.0.0.9", "fd77::9"])
def test_it_contradicts_what_was_seen_there_and_makes_the_cards_other_addresses_doubtful(
    address: str, mac: str | None
) -> None:
    kernel = seen_at(*ADDRESSES)
    kernel.says("fd77::2", REACHABLE, 2)
    assert give_back(kernel, address, mac) == set(map(parse, ADDRESSES))
    assert set(kernel.shown) == {*ADDRESSES, "fd77::2"} - {address}
    assert [kernel.table.is_proved(7, parse(a)) for a in ADDRESSES] == [False] * 4
    assert kernel.table.is_proved(7, parse("fd77::2"))


def test_all_addresses_of_a_machine_go_once_the_kernel_gets_no_answer() -> None:
    kernel = seen_at(*ADDRESSES)
    give_back(kernel, "10.0.0.9")
    for address in ADDRESSES:
        kernel.passes(1)
        kernel.says(address, PROBE, confirmed=60)
        kernel.says(address, FAILED)
    assert not any(kernel.macs().values())
    kernel.passes(FAILED_SECONDS)
    kernel.says("10.0.0.9", REACHABLE, 2)
    assert kernel.macs()["10.0.0.9"] == MAC(2)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_machine_that_stays_proves_it_and_is_doubted_no_more(address: str) -> None:
    kernel = seen_at(address)
    give_back(kernel, address)
    kernel.says(address, STALE, confirmed=30)
    assert kernel.shown == {}
    kernel.passes(2)
    kernel.says(address, REACHABLE)
    assert kernel.macs() == {address: MAC(1)}
    kernel.says(address, FAILED)
    assert not kernel.shown[address].reachable  # for a minute, as ever
    assert kernel.macs() == {address: MAC(1)}


def test_the_kernels_table_is_read_for_a_limited_time_after_a_doubt() -> None:
    kernel = seen_at("10.0.0.9", "fd77::9")
    assert kernel.table.doubtful_links(kernel.now) == set()
    give_back(kernel, "10.0.0.9")
    assert kernel.table.doubtful_links(kernel.now) == {7}
    kernel.passes(5)
    kernel.says("10.0.0.9", REACHABLE, confirmed=1, event=False)
    assert kernel.macs() == {"10.0.0.9": MAC(1), "fd77::9": MAC(1)}
    assert kernel.table.doubtful_links(kernel.now) == {7}  # for the other one
    kernel.passes(DOUBT_SECONDS)
    assert kernel.table.doubtful_links(kernel.now) == set()


def test_an_answer_in_the_moment_of_the_giving_back_proves_nothing() -> None:
    kernel = seen_at("10.0.0.9")
    give_back(kernel, "10.0.0.9")
    kernel.says("10.0.0.9", REACHABLE)
    assert kernel.shown == {}


def test_the_next_holder_of_an_address_is_seen_at_once() -> None:
    kernel = seen_at("10.0.0.9")
    give_back(kernel, "10.0.0.9")
    kernel.says("10.0.0.9", REACHABLE, 2)
    assert kernel.macs() == {"10.0.0.9": MAC(2)}


def test_one_that_another_card_is_seen_at_already_says_nothing_of_that_card() -> None:
    kernel = seen_at("10.0.0.9", mac=2)
    assert give_back(kernel, "10.0.0.9", MAC(1)) == set()
    assert kernel.macs() == {"10.0.0.9": MAC(2)}


def test_what_was_seen_after_it_was_given_back_stays() -> None:
    kernel = seen_at("10.0.0.9", "fd77::9")
    then = kernel.wall
    kernel.passes(10)
    kernel.says("fd77::9", REACHABLE)
    assert give_back(kernel, "10.0.0.9", until=then) == {parse("10.0.0.9")}
    assert set(kernel.shown) == {"fd77::9"}
    kernel.passes(10)
    kernel.says("10.0.0.9", REACHABLE)
    assert give_back(kernel, "10.0.0.9", until=then) == set()
    assert set(kernel.shown) == {"10.0.0.9", "fd77::9"}


def test_a_lease_of_which_nothing_was_seen_changes_nothing() -> None:
    kernel = seen_at("fd77::2", mac=2)
    assert give_back(kernel, "10.0.0.9") == set()
    assert give_back(kernel, "10.0.0.9", None) == set()
    assert set(kernel.shown) == {"fd77::2"}
