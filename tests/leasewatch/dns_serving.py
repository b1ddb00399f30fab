"""A real `leasewatch dns serve` below a root of its own, for tests; it judges nothing."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from leasewatch.api.dns_interface import DnsStatus
from leasewatch.cli.dns import status
from leasewatch.cli.leasewatch import main
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from tests.forking import fork
from tests.waiting import wait_for


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback that was free just now, for TCP and UDP."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        port = int(tcp.getsockname()[1])
        udp.bind(("127.0.0.1", port))
        return port


class DnsServed:
    """The DNS process of these paths."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.stderr = paths.root / "dns-stderr"
        self._pid: int | None = None
        self.code = 0
        """The exit code, after the end."""
        for folder in (paths.dns_run, paths.dns_state, paths.dns_keys, paths.config.parent):
            folder.mkdir(parents=True, exist_ok=True)

    def settings(self, text: str) -> None:
        """Write leasewatch.toml."""
        self.paths.config.write_text(text)

    def start(self, *, first: Callable[[], object] = lambda: None) -> None:
        """Fork, do `first`, start the process, and wait until it answers."""
        self.begin(first)
        self.await_status(lambda _: True)

    def begin(self, first: Callable[[], object] = lambda: None) -> None:
        """Fork, do `first`, and start the process."""

        def run() -> int:
            os.dup2(os.open(self.stderr, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), 2)
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
            for logger in (logging.getLogger(), logging.getLogger("leasewatch")):
                logger.handlers.clear()  # pytest's write to descriptors that are sockets by then
            gc.freeze()
            first()
            return main(["dns", "serve"], self.paths)

        self._pid = fork(run)

    def status(self) -> DnsStatus | None:
        """What it says; None: it does not answer."""
        with suppress(UserError):
            return status.ask(self.paths)
        return None

    def await_status(self, met: Callable[[DnsStatus], object]) -> DnsStatus:
        """Wait until its status is like that."""

        def found() -> DnsStatus | None:
            assert not self.has_ended(), f"it has ended with {self.code}: {self.said()}"
            known = self.status()
            return known if known is not None and met(known) else None

        known = wait_for("the status of the DNS process", found)
        assert known is not None
        return known

    def reload(self) -> None:
        """Let it read its settings again."""
        os.kill(self.pid, signal.SIGHUP)

    def said(self) -> str:
        """What it has printed."""
        return self.stderr.read_text() if self.stderr.exists() else ""

    def await_said(self, text: str) -> None:
        """Wait until it has printed `text`."""
        wait_for(f"{text!r} in {self.stderr}", lambda: text in self.said())

    @property
    def pid(self) -> int:
        assert self._pid is not None
        return self._pid

    def has_ended(self) -> bool:
        """Whether it has; then `code` is known."""
        if self._pid is not None:
            pid, state = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._pid, self.code = None, os.waitstatus_to_exitcode(state)
        return self._pid is None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; returns its exit code."""
        if not self.has_ended():
            os.kill(self.pid, number)
            wait_for("the DNS process to end", self.has_ended)
        return self.code
