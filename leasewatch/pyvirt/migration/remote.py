"""The ssh connection to the other host of a migration: programs there, and sockets that lead there.

It knows nothing of domains and QEMU: command lines and paths are arguments.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from leasewatch.paths import Paths
from leasewatch.pyvirt import process
from nss_pyvirt import programs
from nss_pyvirt.errors import UserError

_ALIVE: Final = 5
"""Seconds between questions whether the other host is there; the third that gets no answer ends
the connection."""
_CONNECT: Final = 20
"""Seconds for the TCP connection."""
_ANSWER: Final = 20.0
"""Seconds for ssh to make a forwarding."""
_NOT_FOUND: Final = 127  # sh(1)
_MASTER: Final = {
    "ControlMaster": "yes",
    "ControlPersist": "no",
    "ClearAllForwardings": "yes",  # those in ssh_config are not for this
    "ConnectTimeout": str(_CONNECT),
    "ServerAliveInterval": str(_ALIVE),
    "ServerAliveCountMax": "2",
    "TCPKeepAlive": "yes",
    "StreamLocalBindMask": "0000",  # QEMU is another user
    "StreamLocalBindUnlink": "yes",
    "PermitLocalCommand": "no",
    "ForwardAgent": "no",
    "ForwardX11": "no",
}
_AS_ROOT: Final = 'test "$(id -u)" = 0 || set -- sudo -n -- "$@"; exec "$@"'


class Remote:
    """One ssh connection to `host` (`[USER@]NAME`, or what ssh_config(5) calls it).

    It is root's ssh: its keys, its known hosts. ssh may ask at the terminal. The connection ends
    with the thread that opened it.
    """

    def __init__(self, host: str, *, paths: Paths | None = None) -> None:
        if host.startswith("-") or not host.strip():
            raise UserError(f"{host!r} is no host", "give a host that ssh knows", "usage")
        self.host = host
        self._folders = (paths or Paths()).migrations
        self._open = contextlib.ExitStack()
        self._sessions: dict[int, tuple[subprocess.Popen[bytes], IO[bytes]]] = {}

    def open(self) -> None:
        """Connect; UserError with the last line of ssh(1) if that fails."""
        with contextlib.ExitStack() as undo:
            self._folder = undo.enter_context(private_folder(self._folders))
            self._said = undo.enter_context(_output())
            options = [word for pair in _MASTER.items() for word in ("-o", "=".join(pair))]
            argv = [self._ssh(), "-N", "-T", "-S", str(self._control), *options, "--", self.host]
            self._master = self._start_master(argv)
            undo.callback(self._end_master)
            while not self._control.exists():  # ssh makes it once it is logged in
                if self.lost():
                    raise UserError(
                        f"cannot log in to {self.host}: {self.lost()}",
                        f"try it by hand: sudo ssh {shlex.quote(self.host)} true",
                        "unavailable",
                    )
                time.sleep(0.02)
            self._open = undo.pop_all()

    def start(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Run `pyvirt ARGV` there as root, with pipes to its standard input and output.

        It gets the end of its input when this process ends or the connection is lost. Ctrl-C does
        not reach it. `failure` says why it has ended.
        """
        words = ["sh", "-c", _AS_ROOT, "sh", "pyvirt", *argv]
        errors = self._open.enter_context(_output())
        session = subprocess.Popen(
            self._through("-T", words="exec " + shlex.join(words)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        self._sessions[session.pid] = session, errors
        return session

    def failure(self, session: subprocess.Popen[bytes]) -> UserError:
        """Why a program of `start` has ended."""
        code = session.wait()
        line, *before = [*_last_lines(self._sessions[session.pid][1]), ""]
        hint = ""
        if line.startswith("hint: "):
            line, hint = before[0].removeprefix("pyvirt: "), line.removeprefix("hint: ")
        if lost := self.lost():
            return UserError(f"the connection to {self.host} was lost: {lost}", code="unavailable")
        if code == _NOT_FOUND or "pyvirt: command not found" in line:
            what = f"pyvirt is not installed on {self.host}"
            return UserError(what, "install the same version there: see 'pyvirt --version'")
        if line.startswith("sudo: "):
            hint = "give root@HOST, or let that user run pyvirt by sudo without a password"
            return UserError(f"cannot become root on {self.host}: {line[6:]}", hint, "needs-root")
        return UserError(f"pyvirt on {self.host} has ended: {line or f'exit code {code}'}", hint)

    def forward(self, local: Path, remote: Path) -> None:
        """Make the Unix socket `local` here; who connects to it reaches the socket `remote` there.

        Every user may connect to `local`. `close` removes it.
        """
        self._open.callback(local.unlink, missing_ok=True)
        argv = self._through("-O", "forward", "-L", f"{local}:{remote}")
        done = subprocess.run(argv, capture_output=True, check=False, timeout=_ANSWER)
        if done.returncode:
            lines = done.stderr.decode(errors="replace").splitlines() or [""]
            raise UserError(
                f"cannot forward a socket to {self.host}: {lines[-1]}",
                "let its sshd forward (AllowStreamLocalForwarding), or give --address",
            )

    def connect(self, remote: Path) -> socket.socket:
        """Connect to the socket `remote` there; UserError if ssh cannot."""
        local = self._folder / "way"
        self.forward(local, remote)
        connected = socket.socket(socket.AF_UNIX)
        try:
            connected.connect(str(local))
        except OSError as error:
            connected.close()
            what = f"cannot connect to {self.host} through ssh: {error.strerror or error}"
            raise UserError(what, code="unavailable") from error
        return connected

    def lost(self) -> str:
        """Why the connection has ended, in ssh's words; empty: it has not."""
        if self._master.poll() is None:
            return ""
        return (
            next(iter(_last_lines(self._said)), "")
            or f"ssh ended with code {self._master.returncode}"
        )

    def close(self) -> None:
        """End the connection and all that uses it."""
        self._open.close()
        for session, _ in self._sessions.values():
            session.wait()
        self._sessions.clear()

    @property
    def _control(self) -> Path:
        return self._folder / "ssh"

    @staticmethod
    def _ssh() -> str:
        return programs.find("ssh", "openssh-client")

    def _through(self, *options: str, words: str = "") -> list[str]:
        """The command line of an ssh that uses the connection; ssh_config(5) has had its say."""
        alone = ("-o", "ProxyCommand=false")  # it makes no connection of its own if this one ends
        way = ("-F", "none", "-S", str(self._control), *alone)
        argv = [self._ssh(), *way, *options, "--", self.host]
        return [*argv, words] if words else argv

    def _start_master(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start ssh so that Ctrl-C does not end it: the migration is to be cancelled in order.

        It stays in the foreground, since it may ask for a password.
        """
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return subprocess.Popen(
                process.confined(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
            )
        finally:
            signal.signal(signal.SIGINT, before)

    def _end_master(self) -> None:
        self._master.terminate()
        self._master.wait()


@contextlib.contextmanager
def private_folder(parent: Path, owner: int = 0) -> Iterator[Path]:
    """A folder for this process and the user `owner` alone; those of killed ones are removed."""
    parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    with _locked(parent):
        for folder in parent.iterdir():
            with contextlib.suppress(BlockingIOError), _locked(folder, fcntl.LOCK_NB):
                shutil.rmtree(folder, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(dir=parent))
        os.chown(folder, owner, -1)
        lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextlib.contextmanager
def _locked(folder: Path, flags: int = 0) -> Iterator[None]:
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | flags)
        yield
    finally:
        os.close(fd)


def _output() -> IO[bytes]:
    """A file in memory for what a program prints."""
    return os.fdopen(os.memfd_create("stderr"), "w+b")


def _last_lines(file: IO[bytes]) -> list[str]:
    """What was printed, the last line first. The position of who still writes is left alone."""
    end = os.fstat(file.fileno()).st_size
    text = os.pread(file.fileno(), 4096, max(0, end - 4096)).decode(errors="replace")
    return [line.strip() for line in reversed(text.split("\n")) if line.strip()]
