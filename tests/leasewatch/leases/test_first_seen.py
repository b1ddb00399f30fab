"""First appearances: what is remembered, in which order, and across a restart."""

from __future__ import annotations

from leasewatch.leases.address_book import NEW_NAMES, FirstSeen
from leasewatch.model import Lease

WALL = 1_000_000.0


def lease(number: int, hostname: str | None = "web1") -> Lease:
    """Of client `number`."""
    return Lease(
        source="/l/lab.leases",
        network="lab",
        address=bytes([10, 0, 0, number]),
        expires=0,
        hwaddr=f"52:54:00:00:00:{number:02x}",
        hostname=hostname,
    )


def test_they_are_forgotten_oldest_first_beyond_their_limit() -> None:
    seen = FirstSeen(limit=2)
    first = [seen.see(lease(number), WALL) for number in (1, 2, 3)]
    assert seen.see(lease(3), WALL + 9) == first[2]
    assert seen.see(lease(1), WALL + 9) > first[0]


def test_a_remembered_client_is_older_than_a_new_one_even_if_the_clock_was_set_back() -> None:
    remembered = [("52:54:00:00:00:01", "web1", 50.0), ("52:54:00:00:00:02", "web1", 70.0)]
    seen = FirstSeen(remembered=remembered)
    assert seen.see(lease(1), WALL) == 50.0
    assert seen.see(lease(2), WALL) == 70.0
    behind = FirstSeen(remembered=remembered)
    assert behind.see(lease(3), 1.0) > 70.0


def test_the_oldest_of_too_many_are_forgotten() -> None:
    remembered = [(f"52:54:00:00:00:{n:02x}", "web1", float(n)) for n in (1, 2, 3)]
    seen = FirstSeen(limit=2, remembered=remembered)
    assert [seen.see(lease(n), WALL) for n in (2, 3)] == [2.0, 3.0]
    assert seen.see(lease(1), WALL) >= WALL


def test_no_time_is_given_out_twice_however_far_ahead_the_clock_was() -> None:
    year_9999 = 253_402_300_000.0
    seen = FirstSeen(remembered=[("x", "web1", year_9999)])
    times = [seen.tick(WALL) for _ in range(100)]
    assert len({year_9999, *times}) == 101


def test_a_client_that_gives_no_name_is_new_each_time() -> None:
    seen = FirstSeen()
    assert seen.see(lease(1, None), WALL) < seen.see(lease(1, None), WALL)


def test_a_client_of_very_many_names_pushes_no_other_out_of_memory() -> None:
    seen = FirstSeen(limit=1000)
    first = seen.see(lease(1), WALL)
    for number in range(5000):
        seen.see(lease(2, f"x{number}"), WALL + number / 250)
    assert seen.see(lease(1), WALL + 60) == first
    names = [seen.see(lease(3, f"y{number}"), WALL) for number in range(NEW_NAMES[0])]
    assert [seen.see(lease(3, f"y{n}"), WALL + 9) for n in range(NEW_NAMES[0])] == names
