"""A real `leasewatch serve` below a root of its own, without root, for tests; it judges nothing."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from leasewatch.cli.leasewatch import main
from leasewatch.cli.serve import serve
from leasewatch.model import DomainState, NetworkState
from leasewatch.paths import Paths
from nss_pyvirt import snapshot
from tests.forking import fork
from tests.waiting import wait_for

MAIN = (
    "import sys; from pathlib import Path; from leasewatch.cli.leasewatch import main;"
    "from leasewatch.paths import Paths; sys.exit(main(['serve'], Paths(Path(sys.argv[1]))))"
)
"""The service as a program of its own, for who needs one."""


class Served:
    """A root folder with settings and lease files, and the service that serves them."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths(root)
        self.leases = root / "leases"
        self.notify = root / "notify"
        self.stderr = root / "stderr"
        self._pid: int | None = None
        self._code = 0
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(self.notify))
        self._notify.setblocking(False)
        for folder in (self.paths.config.parent, self.leases):
            folder.mkdir(parents=True)
        self.settings(f'[[source]]\npath = "{self.leases}/lab"\nnetwork = "lab"\n')

    def settings(self, text: str) -> None:
        """Write leasewatch.toml."""
        self.paths.config.write_text(text)

    def start(
        self,
        env: Mapping[str, str] | None = None,
        *,
        rescan_seconds: float | None = None,
        first: Callable[[], object] = lambda: None,
        sockets: Mapping[str, socket.socket] | None = None,
    ) -> None:
        """Fork, do `first`, start the service, and wait until it says that it is ready.

        What it does not notice by itself it finds after `rescan_seconds`, if they are given.
        `sockets` are passed as systemd does (sd_listen_fds(3)), by FileDescriptorName=.
        """
        environment = {"NOTIFY_SOCKET": str(self.notify), **(env or {})}

        def run() -> int:
            self._leave_the_test(environment, sockets or {})
            first()
            if rescan_seconds is None:
                return main(["serve"], self.paths)
            serve(self.paths, rescan_seconds=rescan_seconds)
            return 0

        self._pid = fork(run)
        self.await_notice("READY=1")

    def _leave_the_test(
        self, environment: Mapping[str, str], sockets: Mapping[str, socket.socket]
    ) -> None:
        """In the child: its own stderr, and nothing else of the test that it was forked from."""
        os.dup2(os.open(self.stderr, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), 2)
        passed = [fcntl.fcntl(sock, fcntl.F_DUPFD, 3 + len(sockets)) for sock in sockets.values()]
        for number, fd in enumerate(passed, 3):
            os.dup2(fd, number)
        os.closerange(3 + len(sockets), os.sysconf("SC_OPEN_MAX"))
        if sockets:
            os.environ["LISTEN_PID"] = str(os.getpid())
            os.environ["LISTEN_FDS"] = str(len(sockets))
            os.environ["LISTEN_FDNAMES"] = ":".join(sockets)
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        for logger in (logging.getLogger(), logging.getLogger("leasewatch")):
            logger.handlers.clear()  # pytest's write to descriptors that are sockets by then
        os.environ.update(environment)
        gc.freeze()

    def await_notice(self, wanted: str) -> str:
        """Wait for a message to the service manager that holds `wanted`."""

        def received() -> str:
            try:
                message = self._notify.recv(4096).decode()
            except BlockingIOError:
                return ""
            return message if wanted in message else ""

        return wait_for(f"{wanted} from the service; it said: {self.said()}", received)

    def ignore_notices(self) -> None:
        """Take all messages to the service manager: a full queue would hold the service up."""
        with suppress(BlockingIOError):
            while True:
                self._notify.recv(4096)

    def rescan(self) -> str:
        """Let it reload, which reads everything again; returns its first message about that."""
        os.kill(self.pid, signal.SIGHUP)
        message = self.await_notice("RELOADING=1")
        self.await_notice("READY=1")
        return message

    def said(self) -> str:
        """What it has printed."""
        return self.stderr.read_text() if self.stderr.exists() else ""

    @property
    def pid(self) -> int:
        assert self._pid is not None
        return self._pid

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; returns its exit code."""
        if self._pid is None:
            return 0
        os.kill(self._pid, number)
        wait_for("the service to end", self._ended)
        return self._code

    def _ended(self) -> bool:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self._pid, self._code = None, os.waitstatus_to_exitcode(status)
        return bool(pid)

    def close(self) -> None:
        """Whatever happened, leave nothing."""
        self.stop(signal.SIGKILL)
        self._notify.close()

    def answer(self, name: str) -> list[str]:
        """The addresses that programs get for `name`; none without a sound table."""
        try:
            found = snapshot.lookup(self.paths.snapshot, name)
        except snapshot.SnapshotError:
            return []
        return [socket.inet_ntop(a.family, a.packed) for a in found.addresses]

    def status(self, name: str) -> str:
        """How `name` is answered: found, unknown, no data or not yet."""
        return snapshot.lookup(self.paths.snapshot, name).status

    def await_answer(self, name: str, *addresses: str, timeout: float = 60) -> None:
        """Wait until `name` has these addresses and no others."""
        wait_for(
            f"{name} = {addresses}, it is {self.answer(name)}; service: {self.said()}",
            lambda: set(self.answer(name)) == set(addresses),
            timeout,
        )

    def await_said(self, text: str) -> None:
        """Wait until it has printed `text`."""
        wait_for(f"{text!r} in: {self.said()}", lambda: text in self.said())

    def network(self, name: str, lease_file: Path) -> Path:
        """Write a network's run state by rename, as `pyvirt network run` does."""
        state = NetworkState(
            name=name,
            bridge=f"br-{name}",
            suffix="internal",
            lease_file=str(lease_file),
            subnets=("10.0.0.0/24",),
            pid=os.getpid(),
            started=time.time(),
        )
        return _replace(self.paths.network_runs / f"{name}.json", msgspec.json.encode(state))

    def domain(self, state: DomainState) -> Path:
        """Write a domain's run state by rename, as `pyvirt domain run` does."""
        path = self.paths.domain_runs / f"{state.name}.json"
        return _replace(path, msgspec.json.encode(state))


def _replace(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = path.with_name(f".{path.name}.tmp")
    temp.write_bytes(content)
    return temp.rename(path)


class Dnsmasq:
    """Writes a lease file as dnsmasq does: in place, 4,096 bytes at a time, newest first."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self.lines: dict[str, str] = {}
        self.expires = int(time.time()) + 3600

    def lease(self, number: int, hostname: str, expires: int | None = None) -> None:
        """One lease for 10.0.x.y; `rewrite` writes it."""
        octets = f"{number >> 8}.{number & 255}"
        mac = f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"
        ends = self.expires if expires is None else expires
        self.lines[hostname] = f"{ends} {mac} 10.0.{octets} {hostname} *\n"

    def rewrite(self) -> None:
        """Write every lease."""
        content = "".join(reversed(self.lines.values())).encode()
        self._file.seek(0)
        self._file.truncate(0)
        for at in range(0, len(content), 4096):
            self._file.write(content[at : at + 4096])
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
