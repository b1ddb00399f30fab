"""Places: one holder at a time, named by the kernel, free again the moment it ends."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from leasewatch.daemon import alive
from leasewatch.files import holders, locks
from nss_pyvirt.errors import UserError
from tests.leasewatch.holding import holding


def test_a_second_process_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    lock = tmp_path / "run" / "lock"
    with holding(lock) as first:
        assert locks.holder(lock) == first.pid
        with pytest.raises(UserError, match=f"held by process {first.pid}"):
            locks.ProcessLock(lock).acquire()


def test_a_killed_holder_leaves_the_place_free(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with holding(lock) as first:
        first.kill()
        first.wait(5)
        assert lock.exists()
        assert locks.holder(lock) is None
        mine = locks.ProcessLock(lock)
        mine.acquire()
        mine.release()


def test_a_holder_that_was_killed_is_waited_for_and_never_named(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    for _ in range(20):
        with holding(lock) as first:
            first.kill()
            assert locks.holder(lock) is None
        with holding(lock) as first:
            first.kill()
            mine = locks.ProcessLock(lock)
            mine.acquire()
            mine.release()


def test_a_process_that_was_killed_or_is_a_zombie_is_ending() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as program:
        assert not alive.is_ending(program.pid)
        program.send_signal(signal.SIGSTOP)
        assert not alive.is_ending(program.pid)
        program.kill()
        assert alive.is_ending(program.pid)
        ended = os.pidfd_open(program.pid)
        os.waitid(os.P_PIDFD, ended, os.WEXITED | os.WNOWAIT)
        os.close(ended)
        assert alive.is_ending(program.pid)
    assert not alive.is_ending(program.pid)


def test_a_released_place_leaves_no_file_and_can_be_taken_again(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with holding(lock) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        print(file=first.stdin, flush=True)
        assert first.stdout.readline() == "released\n"
        assert not lock.exists()
        with holding(lock) as second:
            assert locks.holder(lock) == second.pid


def test_without_a_holder_nothing_is_stopped(tmp_path: Path) -> None:
    assert not holders.stop(tmp_path / "lock", 1)
    (tmp_path / "lock").write_text("1")
    assert not holders.stop(tmp_path / "lock", 1)


def test_a_holder_is_stopped(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with holding(lock) as first:
        assert holders.stop(lock, 5)
        assert first.wait(60) == -15


def test_waiting_commands_get_the_lock_one_at_a_time_and_leave_no_file(tmp_path: Path) -> None:
    lock = tmp_path / "locks" / "lab"
    inside: list[int] = []
    with ThreadPoolExecutor(4) as commands:
        for each in [commands.submit(hold_often, lock, inside, 300) for _ in range(4)]:
            each.result(60)
    assert list(lock.parent.iterdir()) == []


def test_those_who_share_keep_out_who_wants_it_alone_until_the_last_has_gone(
    tmp_path: Path,
) -> None:
    lock = tmp_path / "lab"
    with locks.shared(lock, 1):
        with locks.shared(lock, 1):
            pass
        with pytest.raises(UserError), locks.exclusive(lock, 0):
            pytest.fail("it is shared")
    with locks.exclusive(lock, 0), pytest.raises(UserError), locks.shared(lock, 0):
        pytest.fail("it is held")
    assert not lock.exists()


def hold_often(lock: Path, inside: list[int], times: int) -> None:
    """Now alone, now with others who share it."""
    for number in range(times):
        if number % 3:
            with locks.shared(lock, 50):
                assert 1 not in inside
        else:
            with locks.exclusive(lock, 50):
                inside.append(1)
                assert inside == [1]
                inside.clear()


def test_one_command_at_a_time_acts(tmp_path: Path) -> None:
    with (
        locks.exclusive(tmp_path / "lock", 1),
        pytest.raises(UserError, match="another command has held"),
        locks.exclusive(tmp_path / "lock", 0.1),
    ):
        pytest.fail("two commands at once")
    with locks.exclusive(tmp_path / "lock", 0.1):
        pass


def test_only_its_owner_may_open_a_lock(tmp_path: Path) -> None:
    lock = tmp_path / "locks" / "lab"
    with locks.exclusive(lock, 1):
        assert stat.filemode(lock.stat().st_mode) == "-rw-------"
        assert stat.filemode(lock.parent.stat().st_mode) == "drwx------"
    mine = locks.ProcessLock(lock)
    mine.acquire()
    assert stat.filemode(lock.stat().st_mode) == "-rw-------"
    mine.release()
