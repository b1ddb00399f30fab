"""`sudo leasewatch serve` runs as its folders' owner, with any files that this user put there."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from leasewatch.daemon import account
from leasewatch.daemon.account import Account
from leasewatch.files import locks
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from tests.leasewatch.serving import MAIN, Dnsmasq, Served
from tests.waiting import wait_for

NOBODY = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="who is root becomes another user")


@pytest.fixture
def owned(served: Served) -> Served:
    """A service whose folders are another user's."""
    served.notify.chmod(0o777)
    for folder in (served.paths.service_run, served.paths.history.parent):
        folder.mkdir(parents=True)
        os.chown(folder, NOBODY, NOBODY)
    return served


def status(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, value in (line.split(":", 1) for line in lines)}


def owners(folder: Path) -> set[int]:
    """Of a folder and what stays in it: SQLite's journals come and go."""
    found = set()
    for path in (folder, *folder.iterdir()):
        with contextlib.suppress(FileNotFoundError):
            found.add(path.lstat().st_uid)
    return found


def test_root_becomes_the_owner_and_keeps_one_power(owned: Served, dnsmasq: Dnsmasq) -> None:
    dnsmasq.lease(1, "web1")
    dnsmasq.rewrite()
    (owned.leases / "lab").chmod(0o600)
    owned.start()
    assert owned.answer("web1") == ["10.0.0.1"]
    said = status(owned.pid)
    assert set(said["Uid"] + said["Gid"]) == {str(NOBODY)}
    assert said["Groups"] == []
    for kind in ("CapPrm", "CapEff", "CapBnd"):
        assert int(said[kind][0], 16) == 1 << 2, kind  # CAP_DAC_READ_SEARCH
    assert said["NoNewPrivs"] == ["1"]
    wait_for("the history", owned.paths.history.exists)
    assert owners(owned.paths.service_run) | owners(owned.paths.history.parent) == {NOBODY}


def test_what_a_killed_one_leaves_is_no_obstacle_to_the_owner(owned: Served) -> None:
    owned.start()
    owned.stop(signal.SIGKILL)
    assert owned.paths.service_lock.lstat().st_uid == NOBODY
    argv = [sys.executable, "-c", MAIN, str(owned.paths.root)]
    powers = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    who = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    with subprocess.Popen(
        ["setpriv", *who, *powers, *argv], env={**os.environ, "NOTIFY_SOCKET": str(owned.notify)}
    ) as service:
        try:
            owned.await_notice("READY=1")
        finally:
            service.kill()


def link(name: str) -> Callable[[Served, Path], None]:
    def plant(served: Served, target: Path) -> None:
        path = served.paths.service_run / name
        path.symlink_to(target)
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    return plant


def history_link(served: Served, target: Path) -> None:
    served.paths.history.symlink_to(target)


STARTS_ALL_THE_SAME = {
    "table": link("hosts.v1"),
    "new table": link(".hosts.v1.new"),
    "pending socket": link("pending.sock"),
    "Varlink socket": link("org.pyvirt.LeaseWatch"),
    "history": history_link,
}


@pytest.mark.parametrize("exists", [True, False], ids=["there", "dangling"])
@pytest.mark.parametrize("plant", STARTS_ALL_THE_SAME.values(), ids=STARTS_ALL_THE_SAME)
def test_no_link_is_followed(
    owned: Served, tmp_path: Path, plant: Callable[[Served, Path], None], exists: bool
) -> None:
    target = tmp_path / "roots"
    if exists:
        target.write_text("secret")
        target.chmod(0o600)
    plant(owned, target)
    owned.start()
    owned.stop()
    assert target.exists() == exists
    if exists:
        assert (target.read_text(), target.stat().st_mode & 0o777) == ("secret", 0o600)
        assert target.stat().st_uid == 0


@pytest.mark.parametrize("kind", ["link", "dangling", "FIFO", "folder"])
def test_a_lock_that_is_no_file_is_refused_and_nothing_made(tmp_path: Path, kind: str) -> None:
    lock, target = tmp_path / "lock", tmp_path / "roots"
    if kind == "FIFO":
        os.mkfifo(lock)
    elif kind == "folder":
        lock.mkdir()
    else:
        lock.symlink_to(target)
        if kind == "link":
            target.write_text("secret")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match=r"regular file|directory|symbolic links"):
        locks.ProcessLock(lock).acquire()
    with (
        pytest.raises(OSError, match=r"regular file|directory|symbolic links"),
        locks.exclusive(lock, 0),
    ):
        pytest.fail("it is held")
    assert sorted(tmp_path.iterdir()) == before


def test_a_planted_lock_is_one_line(owned: Served, tmp_path: Path) -> None:
    link("lock")(owned, tmp_path / "roots")
    argv = [sys.executable, "-c", MAIN, str(owned.paths.root)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith(f"leasewatch: {owned.paths.service_lock}: Too many levels")
    assert not (tmp_path / "roots").exists()


def in_a_child(act: Callable[[], None]) -> int:
    """What `act` does to the process it does to a child; its exit code."""
    child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        except UserError:
            os._exit(1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_what_root_has_left_in_its_folders_is_the_users_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = Paths(tmp_path)
    monkeypatch.setattr(account, "_owner", lambda _: Account(NOBODY, NOBODY))
    paths.history.parent.mkdir(parents=True)
    paths.history.touch()
    outside = tmp_path / "outside"
    outside.touch()
    paths.history.with_name("link").symlink_to(outside)
    paths.history.with_name("another name").hardlink_to(outside)
    assert in_a_child(lambda: account.settle(account.service(paths))) == 0
    assert {path.stat().st_uid for path in (paths.history, paths.service_run)} == {NOBODY}
    assert outside.stat().st_uid == 0


def test_where_it_may_not_become_that_user_it_says_so(owned: Served) -> None:
    argv = [sys.executable, "-c", MAIN, str(owned.paths.root)]
    powerless = ["setpriv", "--bounding-set=-setuid,-setgid", "--"]
    done = subprocess.run([*powerless, *argv], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot become user {NOBODY}: Operation not permitted\n" in done.stderr
    assert "hint: start it as the user leasewatch" in done.stderr
