"""Start the parent process of a network or domain, and run programs under it.

It knows nothing of networks and domains: names, paths and command lines are arguments.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import pwd
import re
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import NoReturn, TextIO, cast

from leasewatch.daemon import notify
from leasewatch.files import holders
from nss_pyvirt import pidfds, programs
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import frame

_NOT_INSTALLED = 5  # systemctl(1): there is no such unit
_SAYS = 3  # the descriptor through which a parent process reports READY=1

Say = Callable[[str], None]
"""Tells the person who typed the command a sentence."""


def hurry() -> None:
    """Have this thread run before guests that compute, and before all else of usual priority.

    For moments in which a guest stands still; the programs that it starts would hurry, too.
    """
    with contextlib.suppress(OSError):  # in a container that may not
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -20)


def confined(
    argv: Sequence[str],
    *,
    death_signal: str = "TERM",
    user: str | None = None,
    capabilities: Sequence[str] | None = None,
) -> list[str]:
    """The command line that runs `argv` and ends it when the thread that started it ends.

    `user` is the account that runs it; None: this one. It keeps at most `capabilities`
    (`net_admin`, …); None: all. setpriv(1) does this before the program starts. A program that
    drops root itself would lose the parent-death signal: the kernel clears it on a change of user
    (PR_SET_PDEATHSIG(2const)).
    """
    prefix = [_setpriv(), "--pdeathsig", death_signal]
    if user is not None:
        account = pwd.getpwnam(user)
        prefix += [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    if capabilities is not None:
        kept = ",".join(f"+{name}" for name in capabilities)
        prefix += [f"--bounding-set=-all,{kept}"]  # all that root has after execve(2)
        if user is None:
            prefix += ["--inh-caps=-all"]
        else:
            prefix += [f"--inh-caps=-all,{kept}", f"--ambient-caps={kept}"]
    return [*prefix, "--", *argv]


def _setpriv() -> str:
    return programs.find("setpriv", "util-linux")


@contextlib.contextmanager
def signals(*others: signal.Signals) -> Iterator[int]:
    """A descriptor from which SIGTERM, SIGINT, SIGHUP and `others` are read as bytes.

    No signal is lost, and none interrupts a step.
    """
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, *others)
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    wakeup = signal.set_wakeup_fd(writing)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


def await_end(program: str, argument: str, timeout: float, *, uid: int | None = None) -> None:
    """Wait until no `program` runs that has exactly `argument` on its command line.

    A program whose parent was killed keeps its sockets and files for a moment. Only processes of
    this user or of `uid` count, since anybody may write any command line. The setpriv that is about
    to become the program counts too. Processes of other PID namespaces do not: their files are not
    ours. UserError with the pid after `timeout` seconds.
    """
    programs = {os.path.realpath(path) for path in (program, _setpriv())}
    uids = {os.getuid(), uid}
    deadline = time.monotonic() + timeout
    while pid := _started_with(argument.encode(), programs, uids):
        if time.monotonic() > deadline:
            raise UserError(
                f"process {pid} of an earlier run has not ended within {timeout:.0f} s",
                f"see what that is: ps {pid}",
                "timeout",
            )
        time.sleep(0.01)


def _started_with(
    argument: bytes, programs: Collection[str], uids: Collection[int | None]
) -> int | None:
    ours = Path("/proc/self/ns/pid").stat().st_ino
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            if (
                argument in (folder / "cmdline").read_bytes().split(b"\0")
                and (folder / "ns/pid").stat().st_ino == ours
                and _program(folder) in programs
                and _real_uid(folder) in uids
            ):
                return int(folder.name)
    return None


def _program(folder: Path) -> str:
    """The file that a process executes, even if an upgrade has replaced it."""
    return str((folder / "exe").readlink()).removesuffix(" (deleted)")


def _real_uid(folder: Path) -> int:
    """The user who started a process, also of a setuid program."""
    return int(re.findall(r"^Uid:\t(\d+)", (folder / "status").read_text(), re.MULTILINE)[0])


def start_detached(
    words: Sequence[str],
    main: Callable[[], None],
    *,
    unit: str,
    log: Path,
    timeout: float,
    meanwhile: Callable[[], object] = lambda: None,
) -> list[str]:
    """Start a parent process, wait for its READY=1 (sd_notify), and return the lines it printed.

    Where systemd is PID 1 it starts the installed `unit`, which runs `pyvirt WORDS`. Elsewhere this
    process forks: the child leads a session of its own and calls `main`, which is what `pyvirt
    WORDS` does. The output is in `log`. If it fails or is not ready within `timeout` seconds, it is
    ended. UserError then carries the error and hint that it printed last. `meanwhile` is called
    while a fork starts: what the command needs next.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        before = file.tell()
    try:
        booted = Path("/run/systemd/system").is_dir()
        failure = _start_unit(unit, timeout) if booted else None
        if forks := failure is None:
            failure = _fork(words, main, log, timeout, meanwhile)
    except OSError as error:
        raise UserError(f"cannot start {unit}: {error.strerror}") from error
    if failure:
        raise last_error(log, before, f"{unit} {failure}")
    if forks and booted:
        what = f"{unit} is not installed: what is started may end when you log out"
        from nss_pyvirt.installer import installation  # noqa: PLC0415  rare

        frame.print_warning("pyvirt", UserError(what, installation.repair("pyvirt"), "missing"))
    return _said(log, before)


def _fork(
    words: Sequence[str],
    main: Callable[[], None],
    log: Path,
    timeout: float,
    meanwhile: Callable[[], object],
) -> str:
    ready, says = os.pipe()  # the child's alone, so no other process can write to it or fill it
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()  # else both processes would print what it holds
        gc.freeze()  # a collection in the child would copy every page
        pid = os.fork()
        if not pid:
            _detach(words, main, log, says)
        pidfd = os.pidfd_open(pid)
        failure = "was interrupted"
        try:
            meanwhile()
            failure = _await_ready(ready, pidfd, timeout)
        finally:
            if failure:
                pidfds.end(pidfd, pidfds.KILL_GRACE)
                os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
            os.close(pidfd)
    finally:
        os.close(ready)
        os.close(says)
    return failure


def _detach(words: Sequence[str], main: Callable[[], None], log: Path, says: int) -> NoReturn:
    """In the child: run `main` with `log` for its output and no other descriptor, and end."""
    code = 1
    try:
        os.setsid()
        os.dup2(says, _SAYS, inheritable=False)
        streams = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_APPEND)
        for number, fd in enumerate((*streams, streams[1])):
            os.dup2(fd, number)
        os.closerange(_SAYS + 1, os.sysconf("SC_OPEN_MAX"))  # also the locks of the command
        sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1, errors="backslashreplace")
        os.chdir("/")
        os.environ[notify.DESCRIPTOR] = str(_SAYS)
        os.environ.pop("NOTIFY_SOCKET", None)  # it belongs to the command
        _retitle(sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1], words)
        main()
        code = 0
    except UserError as error:
        frame.print_error("pyvirt", error, as_json=False)
    except BaseException:  # noqa: BLE001  # the child must never return into its caller
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)  # nothing of the command may go on in here


def _retitle(program: Sequence[str], words: Sequence[str]) -> None:
    """Make ps(1) show program and words, or what of `pyvirt WORDS` the old command line holds."""
    with contextlib.suppress(OSError), Path("/proc/self/mem").open("r+b", buffering=0) as memory:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        start, stop = int(fields[45]), int(fields[46])  # arg_start and arg_end
        memory.seek(start)
        room = stop - start
        title, short = (
            b"\0".join(map(os.fsencode, [*before, *words])) for before in (program, ["pyvirt"])
        )
        shown = title if len(title) < room else short  # that of `pyvirt up` is short
        memory.write(shown[: room - 1].ljust(room, b"\0"))


def note(sentence: str) -> None:
    """Log a sentence of a parent process, for its log alone; importing logging takes 10 ms."""
    with contextlib.suppress(OSError):  # a full disk must not end the process
        print(sentence, file=sys.stderr)


def say(sentence: str) -> None:
    """Print a sentence in the log of a parent process; `start_detached` returns it."""
    note(f"pyvirt: {frame.printable(sentence)}")


def _await_ready(ready: int, pidfd: int, timeout: float) -> str:
    """Wait for READY=1; empty on success, else what happened to the process."""
    deadline = time.monotonic() + timeout
    poll = select.poll()
    poll.register(ready, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    said = b""
    while (left := deadline - time.monotonic()) > 0:
        events = dict(poll.poll(left * 1000))
        if ready in events:
            said += os.read(ready, 4096)
            if b"READY=1" in said.split(b"\n")[:-1]:
                return ""
        elif pidfd in events:
            return "ended before it was ready"
    return f"was not ready within {timeout:.0f} s"


def _start_unit(unit: str, timeout: float) -> str | None:
    """Have systemd start a unit: empty on success, else what happened; None: it has no such unit.

    How long it may take, the unit says; `timeout` is beyond that.
    """
    argv = ["systemctl", "--quiet", "--no-ask-password", "start", unit]
    try:
        done = programs.run(argv, package="systemd", timeout=timeout + 2 * pidfds.KILL_GRACE)
    except UserError as error:
        return f"could not be started: {error.what}"
    if done.returncode == _NOT_INSTALLED:
        return None
    return f"could not be started: {done.stderr.strip()}" if done.returncode else ""


def keep_log(log: Path) -> None:
    """Append what this process prints on stderr from now on to `log`, too."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr = cast("TextIO", _Both(log.open("a", errors="backslashreplace"), sys.stderr))


class _Both(io.TextIOBase):
    """Writes to two streams; the second may be closed."""

    def __init__(self, log: TextIO, stderr: TextIO | None) -> None:
        self._streams = [stream for stream in (log, stderr) if stream is not None]

    def write(self, text: str) -> int:
        """Write to both at once."""
        for stream in self._streams:
            stream.write(text)
            stream.flush()
        return len(text)


def last_error(log: Path, offset: int, otherwise: str) -> UserError:
    """The error that the child printed last beyond `offset`: `PROG: WHAT`, then `hint: HINT`."""
    lines = _said(log, offset)
    hint = ""
    if lines and (match := re.fullmatch(r"\s+hint: (.*)", lines[-1])):
        hint = match[1]
        lines.pop()
    if not lines:
        return UserError(otherwise, f"see {log}")
    return UserError(re.sub(r"^pyvirt: ", "", lines[-1]), hint or f"see {log}")


def _said(log: Path, offset: int) -> list[str]:
    """The lines beyond `offset`; if there are too many, the last ones."""
    with log.open("rb") as file:
        file.seek(max(offset, file.seek(0, os.SEEK_END) - 16384))
        return [line for line in file.read().decode(errors="replace").splitlines() if line]


@contextlib.contextmanager
def holder(lock: Path) -> Iterator[int | None]:
    """A pidfd of the process that holds `lock`; None: there is none."""
    pidfd = holders.pidfd(lock)
    try:
        yield pidfd
    finally:
        if pidfd is not None:
            os.close(pidfd)
