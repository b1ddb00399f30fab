"""The parent process: started detached, ready or gone, with its own words when it fails."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leasewatch.daemon import notify
from leasewatch.files import holders, locks
from leasewatch.pyvirt import process
from nss_pyvirt import pidfds, programs
from nss_pyvirt.errors import UserError

HOLD = """
import signal, sys
from pathlib import Path
from leasewatch.daemon import notify
from leasewatch.files import locks as place
held = place.ProcessLock(Path(sys.argv[1]))
held.acquire()
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
notify.notify("READY=1")
signal.pause()
"""
FAIL = "import sys; sys.exit('pyvirt: no bridge today\\n  hint: build one')"
ENVIRONMENT = """
import os
from leasewatch.daemon import notify
print(os.environ.get("NOTIFY_SOCKET", "no socket"), flush=True)
notify.notify("STATUS=nearly", "READY=1")
"""
WITHOUT_STREAMS = """
import os, sys
from pathlib import Path
from leasewatch.pyvirt import process
from leasewatch.daemon import notify
def main():
    print(sys.stdin.read() or "no input", flush=True)
    notify.notify("READY=1")
os.closerange(0, 3)
said = process.start_detached([], main, unit="test", log=Path(sys.argv[1]), timeout=30)
os._exit(said != ["no input"])
"""
IMPOSTOR = """
import subprocess, sys, time
say = "from leasewatch.daemon import notify; notify.notify('READY=1')"
subprocess.run([sys.executable, "-c", say], check=True)
time.sleep(30)
"""


def python(code: str, *args: object) -> list[str]:
    return [sys.executable, "-c", code, *map(str, args)]


def become(code: str, *args: object) -> Callable[[], None]:
    """What a forked parent does: become another Python, which may report that it is ready."""

    def main() -> None:
        os.set_inheritable(int(os.environ[notify.DESCRIPTOR]), True)
        os.execv(sys.executable, python(code, *args))

    return main


def start(main: Callable[[], None], log: Path, timeout: float = 30) -> list[str]:
    return process.start_detached(["test", "run"], main, unit="test", log=log, timeout=timeout)


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"waited 30 s for {what}"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(process.__file__).parents[2]))
    if Path("/run/systemd/system").is_dir():
        pytest.skip("systemd is PID 1: transient units are tested under packaging/test")


def test_a_detached_parent_leads_its_own_session_and_holds_its_place(tmp_path: Path) -> None:
    lock, log = tmp_path / "lock", tmp_path / "log"
    start(become(HOLD, lock), log)
    pid = locks.holder(lock)
    assert pid is not None
    assert os.getsid(pid) == pid
    assert holders.stop(lock, 5)
    assert locks.holder(lock) is None
    os.waitpid(pid, 0)


def test_a_failing_parent_is_reported_in_its_own_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("pyvirt: an old story\n  hint: forget it\n")
    with pytest.raises(UserError, match="no bridge today") as caught:
        start(become(FAIL), log)
    assert caught.value.hint == "build one"


def test_a_parent_that_dies_silently_is_reported_without_an_older_error(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("pyvirt: an old story\n")
    with pytest.raises(UserError, match="test ended before it was ready"):
        start(become("raise SystemExit(3)"), log)


def test_a_parent_that_is_late_is_ended(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(30)"
    with pytest.raises(UserError, match="not ready within 3 s"):
        start(become(code, mark), tmp_path / "log", 3)
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_ready_counts_only_from_the_parent_itself(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not ready"):
        start(become(IMPOSTOR), tmp_path / "log", 2)


def test_a_parent_reports_through_a_descriptor_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "@of-our-own-manager")
    log = tmp_path / "log"
    said = start(become(ENVIRONMENT), log)
    assert said == ["no socket"]
    os.wait()


def test_a_parent_keeps_nothing_of_the_command_that_started_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "pyvirt", "test", "start"])
    monkeypatch.setattr(sys, "argv", ["pyvirt", "test", "start"])

    def main() -> None:
        names = sorted(path.name for path in Path("/proc/self/fd").iterdir())
        print(*names, Path.cwd(), sep=",")
        print(Path("/proc/self/cmdline").read_text().rstrip("\0").replace("\0", " "))
        notify.notify("READY=1")

    with locks.exclusive(tmp_path / "lock", 5):
        descriptors, command = start(main, tmp_path / "log")
    assert descriptors == "0,1,2,3,4,/"  # 4: the folder that it lists
    assert command == "python pyvirt test run"
    with locks.exclusive(tmp_path / "lock", 0):
        os.wait()


def test_an_error_of_a_parent_is_raised_where_it_was_started(tmp_path: Path) -> None:
    def main() -> None:
        raise UserError("no bridge\n today", "build one")

    with pytest.raises(UserError, match=r"no bridge\\n today") as caught:
        start(main, tmp_path / "log")
    assert caught.value.hint == "build one"


def test_a_parent_is_started_by_a_program_without_standard_streams(tmp_path: Path) -> None:
    code = python(WITHOUT_STREAMS, tmp_path / "log")
    assert subprocess.run(code, check=False, timeout=60).returncode == 0


def test_a_parent_that_keeps_its_log_prints_everything_twice(tmp_path: Path) -> None:
    log = tmp_path / "runs/web1/log"
    code = f"""
import sys
from pathlib import Path
from leasewatch.pyvirt import process
process.keep_log(Path({str(log)!r}))
process.say("no bridge today")
raise RuntimeError("it is broken")
"""
    done = subprocess.run(python(code), capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr.startswith("pyvirt: no bridge today\n")
    assert "RuntimeError: it is broken\n" in done.stderr
    assert log.read_text() == done.stderr


def test_a_program_that_is_missing_is_one_clear_line() -> None:
    with pytest.raises(UserError, match="nosuchtool is not installed") as caught:
        programs.find("nosuchtool", "the-package")
    assert caught.value.hint == "apt install the-package"


def test_a_program_may_be_given_by_its_path() -> None:
    assert programs.find("/bin/sh") == "/bin/sh"
    with pytest.raises(UserError, match="/nosuchtool is not installed"):
        programs.find("/nosuchtool")


def test_a_bound_program_dies_with_the_one_that_started_it(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    code = f"""
import subprocess, sys
from leasewatch.pyvirt import process
child = subprocess.Popen(process.confined(["/bin/sleep", "60"]))
open({str(mark)!r}, "w").write(str(child.pid))
child.wait()
"""
    with subprocess.Popen(python(code)) as parent:
        until(lambda: mark.exists() and mark.read_text() != "", "the child's pid")
        child = os.pidfd_open(int(mark.read_text()))
        try:
            comm = Path(f"/proc/{mark.read_text()}/comm")
            until(lambda: comm.read_text() == "sleep\n", "setpriv to become sleep")
            parent.kill()
            assert pidfds.wait(child, 5)
        finally:
            os.close(child)


@pytest.mark.skipif(os.geteuid() != 0, reason="dropping root needs root")
def test_a_bound_program_keeps_its_death_signal_when_it_drops_root() -> None:
    argv = process.confined(
        [shutil.which("setpriv") or "", "--dump"],
        death_signal="HUP",
        user="nobody",
        capabilities=("net_raw",),
    )
    out = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout
    said = dict(line.split(": ", 1) for line in out.splitlines() if ": " in line)
    assert said["uid"] == "65534"
    assert said["Ambient capabilities"] == said["Capability bounding set"] == "net_raw"
    assert said["Parent death signal"] == "HUP"


@pytest.mark.skipif(os.geteuid() != 0, reason="giving capabilities up needs root")
@pytest.mark.parametrize(("held", "kept"), [("all", 1 << 2), ("all,-dac_read_search", 0)])
def test_a_bound_program_of_roots_keeps_of_the_capabilities_what_it_had(
    held: str, kept: int
) -> None:
    argv = process.confined(["/bin/cat", "/proc/self/status"], capabilities=("dac_read_search",))
    container = [argv[0], f"--bounding-set=+{held}", "--"]
    status = subprocess.run([*container, *argv], capture_output=True, text=True, check=True).stdout
    assert f"CapEff:\t{kept:016x}\n" in status
    assert f"CapBnd:\t{kept:016x}\n" in status


def test_end_kills_what_ignores_the_first_word() -> None:
    code = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(30)"
    )
    with subprocess.Popen(python(code), stdout=subprocess.PIPE) as deaf:
        assert deaf.stdout is not None
        deaf.stdout.readline()
        pidfd = os.pidfd_open(deaf.pid)
        assert pidfds.end(pidfd, 0.1)
        os.close(pidfd)
    assert deaf.returncode == -signal.SIGKILL


@contextlib.contextmanager
def running(*argv: str, uid: int | None = None, stderr: int | None = None) -> Iterator[int]:
    """The pid of a program that has started and ends when this does."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=stderr, user=uid) as program:
        try:
            given = Path(f"/proc/{program.pid}/cmdline")
            until(lambda: argv[-1].encode() in given.read_bytes(), "exec")
            yield program.pid
        finally:
            program.kill()


WAIT = (sys.executable, "-c", "input()")
MARK = f"--mark={os.getpid()}"


def test_a_former_program_is_waited_for_by_its_argument() -> None:
    with running(*WAIT, MARK) as pid:
        with pytest.raises(UserError, match=f"process {pid} of an earlier run has not"):
            process.await_end(sys.executable, MARK, 0.1)
        os.kill(pid, signal.SIGKILL)
        process.await_end(sys.executable, MARK, 10)
    process.await_end(sys.executable, MARK, 0)


def test_a_program_whose_argument_only_begins_alike_is_not_waited_for() -> None:
    with running(*WAIT, MARK):
        process.await_end(sys.executable, MARK[:-1], 0)


def test_another_program_with_the_argument_is_not_waited_for() -> None:
    with running("sh", "-c", "read line; :", MARK):
        process.await_end(sys.executable, MARK, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="being another user needs root")
def test_only_programs_of_the_given_users_are_awaited() -> None:
    cat = shutil.which("cat") or ""
    with running(cat, "--", "-", MARK, uid=65534):
        process.await_end(cat, MARK, 0)
        with pytest.raises(UserError, match="of an earlier run"):
            process.await_end(cat, MARK, 0, uid=65534)


def test_a_program_that_was_replaced_while_it_ran_is_waited_for(tmp_path: Path) -> None:
    program = tmp_path / "cat"
    shutil.copy(shutil.which("cat") or "", program)
    with running(str(program), "--", "-", MARK):
        program.unlink()
        with pytest.raises(UserError, match="of an earlier run"):
            process.await_end(str(program), MARK, 0)


def test_what_is_still_setpriv_is_waited_for() -> None:
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing, bytes(4096))
        os.set_blocking(writing, True)
        # It finds no program of that name, and cannot say so: the pipe is full.
        with (
            running(*process.confined([MARK]), stderr=writing),
            pytest.raises(UserError, match="of an earlier run"),
        ):
            process.await_end(sys.executable, MARK, 0)
    finally:
        os.close(reading)
        os.close(writing)
