"""inotify as it is: its queue overflows, and folders go, come and are replaced."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from leasewatch.leases.watcher import Watcher

QUEUE = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())


class Seen:
    """What a watcher reported."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.overflows = 0
        self.watcher = Watcher(self.changed, self.overflowed)

    def changed(self, paths: set[str]) -> None:
        self.paths |= paths

    def overflowed(self) -> None:
        self.overflows += 1

    async def until(self, told: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not told():  # noqa: ASYNC110  # what is told is any of this class
                await asyncio.sleep(0.01)


def test_an_overflow_is_reported_and_later_events_are_seen(tmp_path: Path) -> None:
    file, lost = tmp_path / "a.leases", tmp_path / "b.leases"

    async def flood() -> None:
        seen = Seen()
        seen.watcher.watch({str(file), str(lost)}, {})
        for _ in range(QUEUE):  # the loop, which reads the queue, does not run meanwhile
            file.write_bytes(b"1")
            file.unlink()
        lost.write_bytes(b"1")
        await seen.until(lambda: seen.overflows > 0)
        assert str(lost) not in seen.paths
        lost.write_bytes(b"2")
        await seen.until(lambda: str(lost) in seen.paths)
        seen.watcher.stop()

    asyncio.run(flood())


def test_a_folder_that_goes_and_comes_back_is_watched_again(tmp_path: Path) -> None:
    folder = tmp_path / "network"
    file = folder / "leases"

    async def come_and_go() -> None:
        seen = Seen()
        for _ in range(3):
            assert seen.watcher.watch({str(file)}, {}) <= {str(tmp_path), str(folder)}
            folder.mkdir()
            await seen.until(lambda: str(folder) in seen.paths)
            seen.watcher.check()
            file.write_bytes(b"1")
            await seen.until(lambda: str(file) in seen.paths)
            shutil.rmtree(folder)
            await seen.until(lambda: not folder.exists())
            seen.watcher.check()
            seen.paths.clear()
        seen.watcher.stop()

    asyncio.run(come_and_go())


def test_a_folder_that_is_replaced_is_watched_in_its_new_place(tmp_path: Path) -> None:
    folder = tmp_path / "network"
    folder.mkdir()

    async def replace() -> None:
        seen = Seen()
        file = folder / "leases"
        assert seen.watcher.watch({str(file)}, {}) == {str(folder)}
        folder.rename(tmp_path / "away")
        folder.mkdir()
        assert seen.watcher.check() == {str(folder)}
        await asyncio.sleep(0.05)
        seen.paths.clear()
        (tmp_path / "away" / "leases").write_bytes(b"1")
        file.write_bytes(b"1")
        await seen.until(lambda: str(file) in seen.paths)
        seen.watcher.stop()

    asyncio.run(replace())


def test_a_watched_folder_reports_matching_names_but_no_hidden_ones(tmp_path: Path) -> None:
    async def write() -> None:
        seen = Seen()
        seen.watcher.watch(set(), {str(tmp_path): {".json"}})
        for name in ("web1.txt", ".web1.json", "web1.json"):
            (tmp_path / name).write_bytes(b"1")
        await seen.until(lambda: str(tmp_path / "web1.json") in seen.paths)
        assert seen.paths == {str(tmp_path / "web1.json")}
        seen.watcher.stop()

    asyncio.run(write())
