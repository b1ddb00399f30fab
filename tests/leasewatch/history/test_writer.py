"""The history's thread writes what is queued, also when the file or its disk fails."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from leasewatch.addresses import parse
from leasewatch.config import HistorySettings
from leasewatch.history.reader import HistoryReader
from leasewatch.history.rows import Event, HistoryParameters, Holding
from leasewatch.history.writer import History, Pace
from leasewatch.model import Lease, NeighbourChange
from nss_pyvirt.errors import UserError
from tests.leasewatch.leasing import WALL, change, claim, lease, neighbour
from tests.leasewatch.logged import LOG

HURRIED = Pace(batch_seconds=0.01, retry_seconds=0.05)


class Kept:
    """A history that is written, and the leases that hold, as the service has them."""

    def __init__(self, path: Path, settings: HistorySettings, pace: Pace = HURRIED) -> None:
        self.path = path
        self.leases: dict[bytes, Lease] = {}
        self.history = History(path, settings, pace)
        self.remembered = self.history.first_appearances()

    def add(self, *leases: Lease) -> None:
        self.leases |= {new.address: new for new in leases}
        self.history.changed([change(None, new) for new in leases])

    def drop(self, address: str) -> None:
        self.history.changed([change(self.leases.pop(parse(address)), None)])

    def holdings(self, query: str | None = None) -> list[Holding]:
        """The oldest first; none while there is no file."""
        try:
            pages = list(HistoryReader(self.path).holdings(HistoryParameters(query=query)))
        except UserError:
            return []
        return [row for page in pages for row in page][::-1]

    def events(self) -> list[Event]:
        """Likewise."""
        pages = list(HistoryReader(self.path).events(HistoryParameters()))
        return [row for page in pages for row in page][::-1]

    async def until(self, what: str, predicate: Callable[[], object]) -> None:
        deadline = time.monotonic() + 120
        while not predicate():
            assert time.monotonic() < deadline, f"waited in vain for {what}: {LOG.getvalue()}"
            await asyncio.sleep(0.01)

    async def until_held(self, *names: str) -> None:
        """Until these are the names of what holds now."""

        def held() -> bool:
            return sorted(h.name or "" for h in self.holdings() if h.until is None) == sorted(names)

        await self.until(f"{names} to be held", held)

    async def until_logged(self, text: str) -> None:
        await self.until(text, lambda: text in LOG.getvalue())


@asynccontextmanager
async def keeping(
    path: Path, *leases: Lease, settings: HistorySettings | None = None, pace: Pace = HURRIED
) -> AsyncIterator[Kept]:
    kept = Kept(path, settings or HistorySettings(), pace)
    kept.leases = {new.address: new for new in leases}
    kept.history.start(lambda: [change(None, new) for new in kept.leases.values()])
    try:
        yield kept
    finally:
        await kept.history.stop()


def test_what_happens_is_written_a_moment_later(path: Path) -> None:
    async def scenario() -> None:
        async with keeping(path, lease(1, "web1")) as kept:
            await kept.until_held("web1")
            kept.add(lease(2, "db"))
            await kept.until_held("web1", "db")
            kept.drop("10.0.0.1")
            await kept.until_held("db")
            assert [e.kind for e in kept.events()] == ["added", "added", "released"]
        assert LOG.getvalue() == ""

    asyncio.run(scenario())


def test_a_host_without_leases_has_no_file(path: Path) -> None:
    async def scenario() -> None:
        async with keeping(path) as kept:
            kept.history.changed([])
            await asyncio.sleep(0.1)
            kept.history.configure(HistorySettings())
        assert LOG.getvalue() == ""

    asyncio.run(scenario())
    assert not path.parent.exists()


def test_what_waits_is_written_before_it_stops(path: Path) -> None:
    async def scenario() -> None:
        async with keeping(path, pace=Pace(batch_seconds=600, batch=10)) as kept:
            kept.add(*(lease(number, f"vm{number}") for number in range(1, 101)))
        assert list(path.parent.iterdir()) == [path]  # the log is merged
        assert len(kept.holdings()) == 100

    asyncio.run(scenario())


def test_catching_up_waits_for_the_event_loop_but_not_for_ever(path: Path) -> None:
    async def scenario() -> None:
        kept = Kept(path, HistorySettings())
        asked: list[float] = []

        def is_busy() -> bool:
            asked.append(time.monotonic())
            return len(asked) != 3

        present = [change(None, lease(number, f"vm{number}")) for number in range(1, 101)]
        kept.history.start(lambda: present, is_busy)
        await kept.until("the leases", lambda: len(kept.holdings()) == 100)
        await kept.history.stop()
        assert len(asked) > 3
        assert asked[2] - asked[0] >= 0.01

    asyncio.run(scenario())


def test_claims_from_before_the_start_belong_to_the_leases_of_the_start(path: Path) -> None:
    async def scenario() -> None:
        kept = Kept(path, HistorySettings())
        liar = lease(1, "wpad")
        kept.history.changed([change(None, liar)])
        kept.history.decided(claim(liar, "refused", name="wpad"))
        kept.history.start(lambda: [change(None, liar)])
        await kept.history.stop()
        assert [(e.kind, e.name) for e in kept.events()] == [("added", None), ("refused", "wpad")]

    asyncio.run(scenario())


def test_neighbours_are_written_too_but_no_unknown_macs(path: Path) -> None:
    async def scenario() -> None:
        async with keeping(path) as kept:
            strangers = (neighbour(n, f"fd12::{n}", known=False) for n in range(2, 9))
            kept.history.neighbours_changed([NeighbourChange(None, one) for one in strangers])
            kept.history.neighbours_changed([NeighbourChange(None, neighbour(1))])
            await kept.until("it", lambda: kept.holdings("fd12::5"))
        assert [(e.kind, e.mac) for e in kept.events()] == [("seen", "52:54:00:00:00:01")]

    asyncio.run(scenario())


def test_a_restart_remembers_first_appearances_and_what_failed(path: Path) -> None:
    async def scenario() -> None:
        liar, web = lease(1, "wpad"), lease(2, "web1")
        async with keeping(path, web) as kept:
            kept.history.changed([change(None, liar, first_seen=70.0)])
            kept.history.decided(claim(liar, "refused", name="wpad"))
        again = Kept(path, HistorySettings())
        assert again.remembered.see(liar, WALL + 99) == 70.0
        assert again.remembered.see(web, WALL + 99) == WALL
        again.history.decided(claim(liar, "published", name="wpad"))
        again.history.decided(claim(web, "published"))
        again.history.start(lambda: [change(None, new) for new in (liar, web)])
        await again.history.stop()
        assert [e.kind for e in again.events()] == ["added", "added", "refused", "published"]

    asyncio.run(scenario())


def test_a_damaged_file_is_renamed_and_logged_and_a_new_one_begun(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 500)

    async def scenario() -> None:
        async with keeping(path, lease(1, "web1")) as kept:
            assert kept.remembered.see(lease(1, "web1"), WALL + 9) == WALL + 9
            await kept.until_held("web1")
            await kept.until_logged("history is damaged, renamed")
        (line,) = LOG.getvalue().splitlines()
        assert "history is damaged, renamed" in line
        assert "file is not a database" in line
        (aside,) = path.parent.glob("history.db.damaged-*")
        assert str(aside) in line
        assert aside.read_bytes().startswith(b"no database")

    asyncio.run(scenario())


def test_a_file_that_is_damaged_while_it_is_written_is_replaced_and_the_numbers_go_on(
    path: Path,
) -> None:
    async def scenario() -> None:
        async with keeping(path, *(lease(n, f"vm{n}") for n in range(1, 200))) as kept:
            await kept.until("the leases", lambda: len(kept.holdings()) == 199)
            last = kept.events()[-1].seq
            await asyncio.to_thread(_overwrite, path)
            kept.add(lease(200, "vm200"))
            await kept.until_logged("history is damaged, renamed")
            await kept.until("all leases", lambda: len(kept.holdings()) == 200)
            assert kept.events()[0].seq > last

    asyncio.run(scenario())


def _overwrite(path: Path) -> None:
    """Merge the log, then overwrite all pages but the first."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_file_that_others_remove_is_recreated(path: Path, how: str) -> None:
    def take_away() -> None:
        if how == "removed":
            path.unlink()
        else:
            path.rename(path.with_name("theirs"))
            path.touch()

    async def scenario() -> None:
        async with keeping(path, lease(1, "web1")) as kept:
            await kept.until_held("web1")
            take_away()
            kept.add(lease(2, "db"))
            await kept.until_held("web1", "db")
            await kept.until_logged("history was removed, starting a new one")
            assert kept.events()[0].seq > 1

    asyncio.run(scenario())


def test_a_folder_that_cannot_be_made_is_logged_once_and_retried(path: Path) -> None:
    async def scenario() -> None:
        path.parent.write_text("in the way")
        async with keeping(path, lease(1, "web1")) as kept:
            await kept.until_logged("history is not written")
            kept.add(lease(2, "db"))
            await asyncio.sleep(0.3)  # some tries
            assert len(LOG.getvalue().splitlines()) == 1
            path.parent.unlink()
            await kept.until_held("web1", "db")
            await kept.until_logged("history is written again")

    asyncio.run(scenario())


def test_a_file_that_another_program_locks_is_logged_and_nothing_is_lost(path: Path) -> None:
    async def scenario() -> None:
        async with keeping(path, lease(1, "web1")) as kept:
            await kept.until_held("web1")
            with closing(sqlite3.connect(path, isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
                kept.add(lease(2, "db"))
                await kept.until_logged("database is locked")
                kept.drop("10.0.0.1")
                db.execute("ROLLBACK")
            await kept.until_held("db")
            assert [e.kind for e in kept.events()] == ["added", "added", "released"]

    asyncio.run(scenario())


def test_it_stops_though_nothing_can_be_written(path: Path) -> None:
    async def scenario() -> None:
        path.parent.write_text("in the way")
        async with keeping(path, lease(1, "web1")) as kept:
            await kept.until_logged("history is not written")

    asyncio.run(scenario())
    assert "history" not in {thread.name for thread in threading.enumerate()}


def test_too_much_at_once_is_lost_and_logged_and_what_holds_is_right(path: Path) -> None:
    async def scenario() -> None:
        path.parent.write_text("in the way")
        pace = HURRIED._replace(most_waiting=50)
        async with keeping(path, lease(1, "web1"), pace=pace) as kept:
            await kept.until_logged("history is not written")
            for number in range(2, 120):
                kept.add(lease(number, f"vm{number}"))
            kept.drop("10.0.0.1")
            path.parent.unlink()
            await kept.until_held(*(f"vm{number}" for number in range(2, 120)))
            await kept.until_logged("too much to write, history entries dropped")
            lost = {e.why for e in kept.events() if e.kind == "lost"}
            assert lost == {"51 changes were not written: too much at once"}

    asyncio.run(scenario())


def test_the_settings_switch_it_off_and_on_while_it_runs(path: Path) -> None:
    async def scenario() -> None:
        async with keeping(path, lease(1, "web1"), settings=HistorySettings(enabled=False)) as kept:
            kept.add(lease(2, "db"))
            kept.history.decided(claim(lease(2, "db"), "refused", name="db"))
            await asyncio.sleep(0.1)
            assert not path.parent.exists()
            kept.history.configure(HistorySettings())
            await kept.until_held("web1", "db")
            kept.history.configure(HistorySettings(enabled=False))
            kept.drop("10.0.0.2")
            await asyncio.sleep(0.1)
            await kept.until_held("web1", "db")
            kept.history.configure(HistorySettings())
            await kept.until_held("web1")
        assert [e.kind for e in kept.events()] == ["added", "added", "missed"]

    asyncio.run(scenario())


def test_it_stays_below_its_size(path: Path) -> None:
    async def scenario() -> None:
        async with keeping(path, settings=HistorySettings(size=1)) as kept:
            for begin in range(0, 8000, 1000):
                leases = [lease(number, f"vm{number}") for number in range(begin + 1, begin + 1001)]
                kept.history.changed([change(None, new) for new in leases])
                kept.history.changed([change(old, None) for old in leases])
            await kept.until("the last", lambda: kept.holdings("vm8000"))
        kept_names = [h.name for h in kept.holdings()]
        assert len(kept_names) > 1000
        assert kept_names[-1] == "vm8000"

    asyncio.run(scenario())
    assert path.stat().st_size <= 1 << 20


@pytest.mark.parametrize(("step", "kept_names"), [(0.0, ["new"]), (7200.0, ["old", "new"])])
def test_what_is_too_old_goes_unless_the_clock_has_just_been_set_ahead(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: float, kept_names: list[str]
) -> None:
    async def scenario() -> None:
        wall = time.time()
        async with keeping(path, settings=HistorySettings(days=1)) as kept:
            with monkeypatch.context() as clock:
                clock.setattr(time, "time", lambda: wall - 2 * 86400)
                kept.history.changed([change(None, lease(1, "old"))])
                kept.history.changed([change(lease(1, "old"), None)])
            await kept.until("the old one", lambda: kept.holdings("old"))
            # Once, for the next look is not before another `prune_seconds`.
            writer, ago = kept.history._writer, HURRIED.prune_seconds + 1
            looked = writer._looked = wall - ago - step, time.monotonic() - ago
            kept.history.changed([change(None, lease(2, "new"))])
            await kept.until("the new one", lambda: kept.holdings("new"))
            await kept.until("a look at what is too old", lambda: writer._looked != looked)
        assert [h.name for h in kept.holdings()] == kept_names

    asyncio.run(scenario())
