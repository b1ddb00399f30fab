"""Places: one holder at a time, named by the kernel, free again the moment it ends."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from leasewatch.io import place
from nss_pyvirt.errors import UserError

HOLD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from leasewatch.io import place
held = place.Place(Path(sys.argv[1]))
held.take()
print("held", flush=True)
sys.stdin.readline()
held.release()
print("released", flush=True)
sys.stdin.readline()
"""


@contextmanager
def holding(lock: Path) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", HOLD, str(lock), str(Path(place.__file__).parents[2])]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_and_told_who_holds_the_place(tmp_path: Path) -> None:
    lock = tmp_path / "run" / "lock"
    with holding(lock) as first:
        assert place.holder(lock) == first.pid
        with pytest.raises(UserError, match=f"held by process {first.pid}"):
            place.Place(lock).take()


def test_a_killed_holder_leaves_the_place_free(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with holding(lock) as first:
        first.kill()
        first.wait(5)
        assert lock.exists()
        assert place.holder(lock) is None
        mine = place.Place(lock)
        mine.take()
        mine.release()


def test_a_released_place_leaves_no_file_and_can_be_taken_again(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with holding(lock) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        print(file=first.stdin, flush=True)
        assert first.stdout.readline() == "released\n"
        assert not lock.exists()
        with holding(lock) as second:
            assert place.holder(lock) == second.pid


def test_nobody_is_stopped_where_nobody_holds(tmp_path: Path) -> None:
    assert not place.stop_holder(tmp_path / "lock", 1)
    (tmp_path / "lock").write_text("1")
    assert not place.stop_holder(tmp_path / "lock", 1)


def test_a_holder_is_stopped(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with holding(lock) as first:
        assert place.stop_holder(lock, 5)
        assert first.wait(5) == -15


def test_who_waits_for_a_folder_that_is_removed_holds_the_one_that_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    with ThreadPoolExecutor(1) as others:
        with place.exclusive(folder, 1):
            waiter = others.submit(hold_and_try, folder)
            time.sleep(0.1)  # it has most likely opened the folder by now
            folder.rmdir()
        assert waiter.result(30) == "held"


def test_a_folder_may_go_at_any_moment_while_others_want_it(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    with ThreadPoolExecutor(4) as commands:
        for each in [commands.submit(hold_and_remove, folder, 300) for _ in range(4)]:
            each.result(60)
    assert not folder.exists()


def hold_and_remove(folder: Path, times: int) -> None:
    """As a command that deletes what it has found."""
    for _ in range(times):
        with place.exclusive(folder, 50):
            folder.rmdir()


def hold_and_try(folder: Path) -> str:
    """Whether a folder that is held here is held for others too."""
    with place.exclusive(folder, 20):
        try:
            with place.exclusive(folder, 0):
                return "free"
        except UserError:
            return "held"


def test_one_command_at_a_time_works_in_a_folder(tmp_path: Path) -> None:
    with (
        place.exclusive(tmp_path / "runs", 1),
        pytest.raises(UserError, match="another command has held"),
        place.exclusive(tmp_path / "runs", 0.1),
    ):
        pytest.fail("two commands at once")
    with place.exclusive(tmp_path / "runs", 0.1):
        pass
