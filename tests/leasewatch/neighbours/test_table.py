"""What counts of the kernel's neighbour table, and for how long: played entry by entry."""

from __future__ import annotations

import msgspec
import pytest

from leasewatch.addresses import parse
from leasewatch.neighbours.links import Link
from leasewatch.neighbours.table import (
    ASK_SECONDS,
    DELAY,
    FAILED,
    FAILED_SECONDS,
    MAX_AGE,
    MAX_OF_CARD,
    PERMANENT,
    PROBE,
    REACHABLE,
    SETTLED_SECONDS,
    STALE,
    Sighting,
)
from tests.leasewatch.kernel import DELETED, INCOMPLETE, NOARP, OTHER, WALL, Kernel
from tests.leasewatch.naming import MAC


@pytest.mark.parametrize("state", [REACHABLE, STALE, DELAY, PROBE, PERMANENT])
@pytest.mark.parametrize("address", ["fd77::9", "fe80::9", "10.0.0.9"])
def test_an_entry_with_a_mac_shows_whose_the_address_is(state: int, address: str) -> None:
    kernel = Kernel()
    kernel.says(address, state)
    assert kernel.macs() == {address: MAC(1)}
    shown = kernel.shown[address]
    assert (shown.network, shown.ifindex, shown.reachable) == ("lab", 7, True)
    assert (shown.since, shown.seen) == (kernel.wall, kernel.wall)


@pytest.mark.parametrize(
    ("address", "state", "mac", "ifindex"),
    [
        ("fd77::9", INCOMPLETE, None, 7),
        ("ff02::1", NOARP, 1, 7),
        ("fd77::9", STALE, None, 7),  # no Ethernet
        ("fd77::9", STALE, 1, 9),  # another interface
        ("fd88::9", STALE, 1, 7),  # of another link
        ("8.8.8.8", STALE, 1, 7),
        ("fd77::1", STALE, 1, 7),  # the host's own
        ("fd77::9", DELETED, 1, 7),
    ],
)
def test_what_is_no_neighbours_address_shows_nothing(
    address: str, state: int, mac: int | None, ifindex: int
) -> None:
    kernel = Kernel()
    kernel.says(address, state, mac, ifindex=ifindex)
    assert kernel.shown == {}


def test_the_comings_and_goings_of_an_entry_that_stays_change_nothing() -> None:
    kernel = Kernel()
    kernel.says("fd77::9", REACHABLE)
    for state in (STALE, DELAY, PROBE, STALE):
        kernel.now += 30
        kernel.says("fd77::9", state, confirmed=kernel.now - 1000.0)
    assert kernel.changes == 1
    kernel.says("fd77::9", REACHABLE)
    assert kernel.shown["fd77::9"].seen == kernel.wall
    assert kernel.shown["fd77::9"].since == WALL + 1000.0


def test_an_address_goes_to_the_mac_that_takes_it_over() -> None:
    kernel = Kernel()
    kernel.says("fd77::9", REACHABLE, 1)
    kernel.now += 5
    kernel.says("fd77::9", STALE, 2)
    assert kernel.macs() == {"fd77::9": MAC(2)}
    assert kernel.shown["fd77::9"].since == kernel.wall


def test_a_silent_address_is_reported_and_goes_if_it_stays_silent() -> None:
    kernel = Kernel()
    kernel.says("fd77::9", REACHABLE)
    kernel.says("fd77::9", FAILED)
    assert (kernel.shown["fd77::9"].mac, kernel.shown["fd77::9"].reachable) == (MAC(1), False)
    kernel.passes(FAILED_SECONDS - 1)
    assert kernel.macs() == {"fd77::9": MAC(1)}
    kernel.passes(1)
    assert kernel.macs() == {"fd77::9": ""}
    kernel.says("fd77::9", DELETED)
    assert kernel.shown == {}


def test_an_address_that_a_dhcp_server_may_have_offered_shows_once_its_guest_answers() -> None:
    kernel = Kernel()
    kernel.table.leased = frozenset({"lab"})
    kernel.says("10.0.0.9", STALE, confirmed=60)
    kernel.says("fd77::9", STALE, confirmed=60)  # DHCPv6 servers note nothing
    assert kernel.macs() == {"fd77::9": MAC(1)}
    assert not kernel.table.is_proved(7, parse("10.0.0.9"))
    kernel.now += 0.1
    kernel.says("10.0.0.9", REACHABLE)
    assert kernel.macs() == {"10.0.0.9": MAC(1), "fd77::9": MAC(1)}
    kernel.says("10.0.0.9", STALE, 2, confirmed=60)  # offered to another
    assert kernel.macs() == {"fd77::9": MAC(1)}


def test_an_offer_that_no_guest_takes_never_shows_even_if_it_is_repeated() -> None:
    kernel = Kernel()
    kernel.table.leased = frozenset({"lab"})
    for _ in range(3):
        kernel.says("10.0.0.9", STALE, confirmed=60)
        kernel.now += 100
        kernel.says("10.0.0.9", STALE, confirmed=60)
        assert kernel.shown == {}
        kernel.says("10.0.0.9", FAILED)
        assert kernel.macs() == {"10.0.0.9": ""}
        kernel.says("10.0.0.9", DELETED)


def test_an_offer_to_a_guest_that_was_silent_for_a_moment_brings_it_back() -> None:
    kernel = Kernel()
    kernel.table.leased = frozenset({"lab"})
    for state in (REACHABLE, FAILED, STALE):
        kernel.says("10.0.0.9", state, confirmed=0 if state == REACHABLE else 60)
        kernel.now += 1
    assert kernel.shown["10.0.0.9"].reachable


@pytest.mark.parametrize("event", [True, False])
def test_one_that_answers_again_is_back(*, event: bool) -> None:
    kernel = Kernel()
    kernel.says("fd77::9", REACHABLE)
    kernel.says("fd77::9", FAILED)
    kernel.now += 10
    kernel.says("fd77::9", STALE, confirmed=60, event=event)
    assert kernel.shown["fd77::9"].reachable
    kernel.passes(FAILED_SECONDS)
    assert kernel.macs() == {"fd77::9": MAC(1)}


def test_an_entry_that_the_kernel_forgets_stays_while_its_mac_is_known() -> None:
    kernel = Kernel()
    kernel.says("fd77::9", STALE, 1)
    kernel.says("fd77::5", STALE, 5)
    for address in ("fd77::9", "fd77::5"):
        kernel.says(address, DELETED)
    assert kernel.macs() == {"fd77::9": MAC(1)}
    kernel.known.clear()
    kernel.passes(30)
    assert kernel.shown == {}


def test_what_has_not_proved_itself_for_an_hour_is_asked_for_and_after_a_day_gone() -> None:
    kernel = Kernel()
    kernel.says("fd77::9", REACHABLE)
    kernel.says("fd77::5", REACHABLE, 5)  # nobody's
    assert kernel.passes(ASK_SECONDS - 1) == []
    assert kernel.passes(1) == [(7, parse("fd77::9"))]
    assert kernel.passes(1) == []
    assert kernel.passes(ASK_SECONDS) == [(7, parse("fd77::9"))]
    kernel.says("fd77::9", REACHABLE)
    kernel.passes(MAX_AGE - 1)
    assert kernel.macs() == {"fd77::9": MAC(1)}
    kernel.passes(1)
    assert kernel.shown == {}
    assert kernel.last is not None
    assert kernel.last.quiet
    kernel.says("fd77::9", STALE, confirmed=MAX_AGE, event=False)
    assert kernel.shown == {}


def test_what_was_seen_before_a_domains_start_counts_once_it_is_seen_again() -> None:
    kernel = Kernel()
    kernel.says("fd77::9", REACHABLE)
    kernel.now += 60
    kernel.runs(1, started=kernel.now - 5)
    assert kernel.shown == {}
    kernel.says("fd77::9", STALE, confirmed=60, event=False)
    assert kernel.shown == {}
    kernel.now += 10
    kernel.says("fd77::9", REACHABLE)
    assert kernel.macs() == {"fd77::9": MAC(1)}


def test_entries_of_a_domain_with_an_unseen_start_count_until_its_restart() -> None:
    kernel = Kernel()
    kernel.says("fd77::8", REACHABLE)
    kernel.now += 60
    kernel.runs(1, started=kernel.now - 5, start_seen=False)
    kernel.says("fd77::9", STALE, confirmed=100, event=False)
    assert kernel.macs() == {"fd77::8": MAC(1), "fd77::9": MAC(1)}
    assert {neighbour.started for neighbour in kernel.shown.values()} == {0}
    kernel.now += 10
    kernel.runs(1, started=kernel.now)
    assert kernel.shown == {}


def test_what_is_read_after_a_domains_start_counts_if_it_is_younger_than_that() -> None:
    kernel = Kernel()
    kernel.runs(1, started=kernel.now - 100)
    kernel.says("fd77::8", STALE, confirmed=110, event=False)
    kernel.says("fd77::9", STALE, confirmed=90, event=False)
    assert kernel.macs() == {"fd77::9": MAC(1)}


def test_what_was_seen_of_a_domain_ends_with_it() -> None:
    kernel = Kernel()
    kernel.runs(1, started=kernel.now)
    kernel.now += 60
    kernel.says("fd77::9", REACHABLE)
    kernel.says("fd77::5", REACHABLE, 2)
    assert kernel.shown["fd77::9"].started == kernel.wall - 60
    kernel.runs(started=0)
    assert kernel.last is not None
    assert not kernel.last.quiet
    assert kernel.macs() == {"fd77::5": MAC(2)}
    kernel.says("fd77::9", STALE, confirmed=30, event=False)
    assert kernel.macs() == {"fd77::5": MAC(2)}


def test_a_domain_started_again_at_once_is_not_taken_for_its_last_run() -> None:
    kernel = Kernel()
    kernel.runs(1, started=kernel.now)
    kernel.now += 60
    kernel.says("fd77::9", REACHABLE)
    kernel.now += 10
    kernel.runs(1, started=kernel.now)
    assert kernel.shown == {}
    kernel.now += 10
    kernel.says("fd77::9", REACHABLE)
    assert kernel.shown["fd77::9"].started == kernel.wall - 10


def test_a_guest_of_a_thousand_addresses_has_a_few_and_cannot_make_them_flutter() -> None:
    kernel = Kernel()
    for number in range(MAX_OF_CARD):
        kernel.says(f"fe80::{number + 1:x}", REACHABLE)
    before = kernel.changes
    for number in range(1000):
        kernel.says(f"fe80::1:{number:x}", REACHABLE)
    assert kernel.changes == before
    kernel.now += SETTLED_SECONDS
    for number in range(1000):
        kernel.says(f"fd77::1:{number:x}", REACHABLE)
    assert len(kernel.shown) == MAX_OF_CARD
    assert kernel.went == {True}
    assert all(address.startswith("fd77:") for address in kernel.shown)
    kernel.now += SETTLED_SECONDS
    kernel.says("fe80::77", REACHABLE)
    assert "fe80::77" not in kernel.shown
    kernel.says("fd77::77", REACHABLE)
    assert "fd77::77" in kernel.shown
    assert len(kernel.table._entries) == MAX_OF_CARD


def test_a_bridge_that_goes_takes_its_neighbours_along_and_a_new_prefix_brings_others() -> None:
    kernel = Kernel()
    kernel.says("fd77::9", REACHABLE)
    kernel.says("fe80::9", REACHABLE)
    kernel.says("fd88::9", REACHABLE, 2, ifindex=8)
    moved = Link(ifindex=7, network="lab", addresses=((parse("fd99::1"), 64),))
    kernel.take(kernel.table.set_links([moved, OTHER]))
    assert set(kernel.shown) == {"fe80::9", "fd88::9"}
    kernel.says("fd99::9", REACHABLE)
    kernel.take(kernel.table.set_links([OTHER]))
    assert set(kernel.shown) == {"fd88::9"}
    assert kernel.went == {True}


def test_reading_the_whole_table_corrects_missed_events() -> None:
    kernel = Kernel()
    kernel.says("fd77::8", REACHABLE, 5)
    kernel.says("fd77::9", REACHABLE, 1)
    kernel.says("fd77::a", FAILED)
    kernel.says("fd88::9", REACHABLE, 2, ifindex=8)
    now_there = [Sighting(7, parse("fd77::9"), REACHABLE, MAC(2), 1.0)]
    kernel.take(kernel.table.resync(7, now_there, kernel.moment))
    assert kernel.macs() == {"fd77::9": MAC(2), "fd88::9": MAC(2)}


def test_all_that_came_goes_without_a_trace() -> None:
    kernel = Kernel()
    kernel.runs(1, started=kernel.now)
    for state in (REACHABLE, FAILED, STALE, REACHABLE):
        kernel.says("fd77::9", state)
        kernel.says("10.0.0.9", state, 2)
    kernel.runs(started=0)
    kernel.take(kernel.table.set_links([]))
    assert kernel.shown == {}
    assert not kernel.table._entries
    assert not kernel.table._of_card
    assert not kernel.table._started


def test_a_mac_is_known_once_it_has_a_lease_and_stays_so() -> None:
    kernel = Kernel()
    kernel.says("fd77::9", STALE, 1)
    kernel.says("fd77::3", STALE, 3)
    kernel.says("fd77::4", STALE, 4)
    assert {a: n.known for a, n in kernel.shown.items()} == {
        "fd77::9": True, "fd77::3": False, "fd77::4": False,
    }  # fmt: skip
    kernel.known |= {MAC(3), MAC(4)}
    kernel.now += 5
    kernel.says("fd77::4", REACHABLE, 4)
    assert kernel.shown["fd77::4"].known
    before = kernel.shown["fd77::3"]
    kernel.passes(30)
    assert kernel.shown["fd77::3"] == msgspec.structs.replace(before, known=True)
    kernel.known.clear()
    kernel.says("fd77::3", REACHABLE, 3)
    kernel.passes(30)
    assert kernel.shown["fd77::3"].known
    kernel.says("fd77::6", STALE, 6)
    kernel.take(kernel.table.set_known("lab", MAC(6)))
    assert kernel.shown["fd77::6"].known
    assert kernel.table.set_known("lab", MAC(6)) == kernel.table.set_known("lab", MAC(9)) == []


def test_getting_to_know_a_mac_shows_nothing_that_must_prove_itself_first() -> None:
    kernel = Kernel()
    kernel.says("fd77::3", STALE, 3)
    kernel.passes(10)
    kernel.runs(3, started=kernel.now)
    assert kernel.shown == {}
    kernel.known.add(MAC(3))
    kernel.passes(30)
    assert kernel.shown == {}
    kernel.says("fd77::3", REACHABLE, 3)
    assert kernel.shown["fd77::3"].known
