"""The history's file stores holdings and events, and the reader finds them."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from leasewatch.addresses import parse, text
from leasewatch.history.file import HistoryFile
from leasewatch.history.intake import Happened
from leasewatch.history.reader import HistoryReader
from leasewatch.history.rows import HistoryParameters
from leasewatch.model import LeaseChange
from tests.leasewatch.histories import add, catch_up, happened, happening, holdings, take
from tests.leasewatch.leasing import LATER, WALL, change, claim, lease


def test_it_has_who_held_an_address_and_how_that_ended(file: HistoryFile, path: Path) -> None:
    add(file, lease(5, "web1"), lease(6, "db"))
    take(file, change(lease(5, "web1"), None), WALL + 60)
    take(file, change(None, lease(5, "fresh", client=9)), WALL + 90)
    first, second = holdings(path, "10.0.0.5")
    assert (first.name, first.mac, first.since, first.until, first.ended) == (
        "web1", "52:54:00:00:00:05", WALL, WALL + 60, "released",
    )  # fmt: skip
    assert (second.name, second.since, second.until, second.ended) == (
        "fresh", WALL + 90, None, None,
    )  # fmt: skip
    assert happened(path, "10.0.0.5") == ["added", "released", "added"]


def test_a_renewal_moves_the_end_of_its_holding_and_adds_no_row(
    file: HistoryFile, path: Path
) -> None:
    old = lease(5)
    add(file, old)
    size = file.size()
    for minutes in range(1, 2001):
        new = msgspec.structs.replace(old, expires=LATER + 60 * minutes)
        take(file, change(old, new), WALL + 60 * minutes)
        old = new
    (held,) = holdings(path)
    assert (held.expires, held.until) == (LATER + 60 * 2000, None)
    assert happened(path) == ["added"]
    assert file.size() == size
    take(file, change(old, None), LATER + 60 * 2000 + 7)
    (held,) = holdings(path)
    assert (held.until, held.ended) == (LATER + 60 * 2000, "expired")


def test_another_name_begins_another_holding_of_the_same_domain(
    file: HistoryFile, path: Path
) -> None:
    add(file, lease(5, "fedora"))
    take(file, claim(lease(5, "fedora"), "published", "owner"), WALL + 1)
    take(file, change(lease(5, "fedora"), lease(5, "debian")), WALL + 9)
    first, second = holdings(path)
    assert [(h.hostname, h.name, h.ended) for h in (first, second)] == [
        ("fedora", "web1", "renamed"),
        ("debian", "web1", None),
    ]
    assert happened(path) == ["added", "named", "renamed"]


def test_a_refusal_is_one_event_and_the_name_is_not_the_holdings(
    file: HistoryFile, path: Path
) -> None:
    liar = lease(5, "wpad")
    add(file, liar)
    for minute in range(5):
        take(file, claim(liar, "refused", name="wpad"), WALL + minute)
    (held,) = holdings(path, "wpad")
    assert (held.name, held.hostname, held.claim) == (None, "wpad", "refused: it is refused")
    assert happened(path) == ["added", "refused"]
    assert file.failing() == [("lab", parse("10.0.0.5"))]
    take(file, claim(liar, "published", name="wpad"), WALL + 9)
    (held,) = holdings(path, "wpad")
    assert (held.name, held.claim) == ("wpad", None)
    assert happened(path) == ["added", "refused", "published"]


def test_what_a_domain_has_had_is_no_refused_claim_once_it_has_ended(
    file: HistoryFile, path: Path
) -> None:
    own = lease(5, "web1")
    add(file, own)
    take(file, claim(own, "published", "owner"), WALL + 1)
    take(file, claim(own, "refused", name="web1"), WALL + 9)
    take(file, change(own, None), WALL + 9.1)
    (held,) = holdings(path)
    assert (held.name, held.ended, held.claim) == ("web1", "released", None)
    assert happened(path) == ["added", "named", "released"]


def test_each_claimant_of_a_crowded_name_has_one_conflict_event(
    file: HistoryFile, path: Path
) -> None:
    crowd = [lease(number, "debian") for number in range(1, 30)]
    for count, newcomer in enumerate(crowd):
        add(file, newcomer)
        for loser in crowd[:count]:
            lost = claim(loser, "conflict", name="debian")
            lost = msgspec.structs.replace(lost, reason=f"{newcomer.hwaddr} claimed it later")
            take(file, lost, WALL)
    assert happened(path).count("conflict") == len(crowd) - 1


def test_a_domain_is_named_once(file: HistoryFile, path: Path) -> None:
    add(file, lease(5, "fedora"))
    for _ in range(3):
        take(file, claim(lease(5, "fedora"), "published", "owner"), WALL)
    assert happened(path) == ["added", "named"]
    assert [h.domain for h in holdings(path, "WEB1")] == ["web1"]


QUERIES = {
    "nothing in particular": (None, ["10.0.0.5", "10.0.0.6", "10.0.0.7"]),
    "an address": ("10.0.0.6", ["10.0.0.6"]),
    "a MAC": ("52:54:00:00:00:06", ["10.0.0.6"]),
    "a MAC as Windows writes it": ("52-54-00-00-00-06", ["10.0.0.6"]),
    "a guest's name": ("db", ["10.0.0.6"]),
    "a name in any case, with a final dot": ("DB.", ["10.0.0.6"]),
    "a whole name": ("db.lab.internal", ["10.0.0.6"]),
    "a whole name of a longer suffix": ("db.lab.home.arpa", ["10.0.0.6"]),
    "a whole name on another network": ("db.other.internal", []),
    "a domain's name with a dot": ("web1.example", ["10.0.0.7"]),
    "its whole name": ("web1.example.lab.internal", ["10.0.0.7"]),
    "its guest's name": ("fedora", ["10.0.0.7"]),
    "an IPv6 address in another spelling": ("FD12:0::0001", []),
    "nobody": ("nobody", []),
    "nothing": ("", []),
    "a dot": (".", []),
    "SQL": ("' OR 1=1 --", []),
    "a pattern": ("%", []),
    "labels without end": ("a." * 126, []),
}  # fmt: skip


@pytest.mark.parametrize(("query", "addresses"), QUERIES.values(), ids=QUERIES)
def test_a_query_is_a_name_an_address_or_a_mac(
    file: HistoryFile, path: Path, query: str | None, addresses: list[str]
) -> None:
    add(file, lease(5, "Web1"), lease(6, "db"), lease(7, "fedora"))
    domain = claim(lease(7, "fedora"), "published", "owner", name="web1.example")
    take(file, domain, WALL)
    assert [h.address for h in holdings(path, query)] == addresses


def test_since_leaves_out_what_had_ended_and_keeps_what_had_begun(
    file: HistoryFile, path: Path
) -> None:
    add(file, lease(5, "old"), lease(6, "long"), wall=WALL)
    take(file, change(lease(5, "old"), None), WALL + 60)
    assert [h.name for h in holdings(path, since=WALL + 59)] == ["old", "long"]
    assert [h.name for h in holdings(path, since=WALL + 61)] == ["long"]


def test_a_long_history_comes_in_pages_and_a_limit_gives_the_newest(
    file: HistoryFile, path: Path
) -> None:
    add(file, *(lease(number, f"vm{number}") for number in range(1, 1202)))
    pages = list(HistoryReader(path).holdings(HistoryParameters()))
    assert [len(page) for page in pages] == [500, 500, 201]
    names = [row.name for page in pages for row in page]
    assert names == [f"vm{number}" for number in range(1201, 0, -1)]
    few = list(HistoryReader(path).holdings(HistoryParameters(limit=501)))
    assert [row.name for page in few for row in page] == names[:501]
    assert not list(HistoryReader(path).holdings(HistoryParameters(limit=0)))


def test_a_restart_writes_what_is_different_and_nothing_else(path: Path) -> None:
    now = {number: change(None, lease(number, f"vm{number}")) for number in range(1, 2001)}
    with closing(HistoryFile(path)) as file:
        catch_up(file, *now.values(), wall=WALL)
        last = file.last_seq
    assert sorted(h.name or "" for h in holdings(path)) == sorted(f"vm{n}" for n in now)
    assert [happened(path, f"10.0.0.{n}") for n in range(1, 256)] == [["added"]] * 255
    with closing(HistoryFile(path)) as file:
        catch_up(file, *now.values(), wall=WALL + 60)
        assert file.last_seq == last
        assert file.size() == path.stat().st_size
        del now[3], now[4]
        now[5] = change(None, lease(5, "renamed"))
        now[6] = change(None, lease(6, "vm6", client=9999))
        now[7] = change(None, lease(7, "vm7", expires=LATER + 500))
        now[2001] = change(None, lease(2001, "vm2001"))
        catch_up(file, *now.values(), wall=WALL + 90)
        assert happened(path)[2000:] == [
            "missed", "missed", "renamed", "replaced", "added", "added",
        ]  # fmt: skip
        assert sum(h.until is None for h in holdings(path)) == 1999
        (kept,) = holdings(path, "vm7")
        assert (kept.expires, kept.since) == (LATER + 500, WALL)


def test_what_went_unseen_ends_when_its_lease_did_as_far_as_that_is_known(
    file: HistoryFile, path: Path
) -> None:
    add(file, lease(1, "over", expires=LATER), lease(2, "early", expires=LATER + 9000))
    add(file, lease(3, "endless", expires=0))
    catch_up(file, wall=LATER + 100)
    ends = {h.name: (h.ended, h.until) for h in holdings(path)}
    assert ends == {
        "over": ("expired", LATER),
        "early": ("missed", LATER + 100),
        "endless": ("missed", LATER + 100),
    }


def test_a_clock_that_is_set_back_makes_no_holding_that_ends_before_it_begins(
    file: HistoryFile, path: Path
) -> None:
    add(file, lease(5, expires=0), wall=WALL)
    take(file, change(lease(5, expires=0), None), WALL - 86400)
    (held,) = holdings(path)
    assert held.until == held.since == WALL


def test_first_appearances_are_those_of_what_holds_and_of_the_newest(file: HistoryFile) -> None:
    for number in range(1, 8):
        add(file, lease(number, f"vm{number}"), wall=WALL + number)
    for number in range(2, 8):
        take(file, change(lease(number, f"vm{number}"), None), WALL + 100)
    remembered = {name: seen for _, name, seen in file.first_appearances(3)}
    assert remembered == {f"vm{number}": WALL + number for number in (1, 5, 6, 7)}
    assert not [name for _, name, _ in file.first_appearances(9) if name is None]


def test_numbers_go_on_after_pruning_a_restart_and_in_another_file(path: Path) -> None:
    with closing(HistoryFile(path)) as file:
        add(file, *(lease(number) for number in range(1, 6)))
        for number in range(1, 6):
            take(file, change(lease(number), None), WALL + 1)
        last = file.last_seq
        while file.prune(math.inf):
            pass
        assert not happened(path)
    with closing(HistoryFile(path)) as file:
        add(file, lease(1))
        assert file.last_seq == last + 1
    with closing(HistoryFile(path.with_name("another.db"))) as file:
        file.go_on_from(last)
        add(file, lease(1))
        file.go_on_from(3)
        assert file.last_seq == last + 1


def test_pruning_by_age_keeps_what_holds_however_old(file: HistoryFile, path: Path) -> None:
    add(file, lease(1, "old"), lease(2, "holds"), wall=WALL)
    take(file, change(lease(1, "old"), None), WALL + 10)
    add(file, lease(1, "recent"), wall=WALL + 100)
    take(file, change(lease(1, "recent"), None), WALL + 110)
    while file.prune(WALL + 50):
        pass
    assert [h.name for h in holdings(path)] == ["holds", "recent"]
    assert happened(path) == ["added", "released"]


def test_pruning_by_size_drops_the_oldest_and_gives_the_disk_its_pages(
    file: HistoryFile, path: Path
) -> None:
    for number in range(1, 6001, 1000):
        leases = [lease(one, f"vm{one}") for one in range(number, number + 1000)]
        add(file, *leases)
        file.write(happening(change(one, None), WALL + number) for one in leases)
    full = file.size()
    while file.size() > full // 2 and file.prune(math.inf):
        pass
    names = [h.name for h in holdings(path)]
    assert 1000 < len(names) < 4000
    assert names == [f"vm{number}" for number in range(6001 - len(names), 6001)]
    file.close()
    assert path.stat().st_size <= full // 2


def test_a_client_that_fills_it_pushes_out_itself_and_no_other(
    file: HistoryFile, path: Path
) -> None:
    for number in range(1, 51):
        add(file, lease(number, f"vm{number}"))
        take(file, change(lease(number, f"vm{number}"), None), WALL + number)
    busy = lease(99, "x0")
    add(file, busy)
    renamed = []
    for number in range(1, 6001):
        new = msgspec.structs.replace(busy, hostname=f"x{number}")
        renamed.append(happening(change(busy, new), WALL + 100 + number))
        busy = new
    file.write(renamed)
    held = len(holdings(path))
    while len(holdings(path)) > 2050 and file.prune(math.inf):
        pass
    names = {h.name for h in holdings(path)}
    assert held > 6000
    assert {f"vm{number}" for number in range(1, 51)} | {"x6000", "x5999"} <= names
    assert "x1" not in names
    assert not set(happened(path, text(busy.address))) - {"added", "renamed"}
    while file.prune(math.inf):
        pass
    assert {h.name for h in holdings(path)} == {"x6000"}


def test_a_batch_that_fails_leaves_nothing_behind(file: HistoryFile, path: Path) -> None:
    def broken() -> Iterator[Happened]:
        yield happening(change(None, lease(1)), WALL)
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(sqlite3.OperationalError):
        file.write(broken())
    assert not holdings(path)
    add(file, lease(2))
    assert len(holdings(path)) == 1


def test_others_may_not_read_it(file: HistoryFile, path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.parent.stat().st_mode & 0o777 == 0o750


def test_it_remembers_what_has_no_end_and_what_was_given_back_not_long_ago(
    file: HistoryFile,
) -> None:
    add(file, *(lease(number, f"vm{number}") for number in range(1, 6)))
    take(file, change(lease(2, "vm2"), None), WALL + 10)
    take(file, change(lease(3, "vm3"), None), LATER + 1)
    take(file, change(lease(4, "vm4"), lease(4, "new", client=9)), WALL + 30)
    take(file, LeaseChange(lease(5, "vm5"), None, 0, 0), WALL + 40)

    def remembered(since: float, most: int = 9) -> set[tuple[str, str | None, float | None]]:
        return {(text(past.address), past.mac, past.until) for past in file.past(since, most)}

    first, second, fourth, ninth = (lease(0, client=n).hwaddr for n in (1, 2, 4, 9))
    present = {("10.0.0.1", first, None), ("10.0.0.4", ninth, None)}
    last = ("10.0.0.4", fourth, WALL + 30)
    assert remembered(WALL) == present | {last, ("10.0.0.2", second, WALL + 10)}
    assert remembered(WALL, 1) == remembered(WALL + 20) == present | {last}
    assert remembered(WALL + 60) == present
