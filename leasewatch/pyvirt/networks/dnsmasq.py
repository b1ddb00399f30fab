"""The dnsmasq process of one network: runs without root, and ends with its parent.

`dnsmasq_conf` makes its configuration. The caller decides when to restart it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import time
from collections.abc import Callable, Collection
from pathlib import Path

from leasewatch.daemon import alive
from leasewatch.files import reading
from leasewatch.pyvirt import process
from leasewatch.pyvirt.networks import dnsmasq_conf
from nss_pyvirt import pidfds, programs, replacing
from nss_pyvirt.errors import UserError

_READY = 5.0  # seconds until it listens
_QUIT = 3.0
_FORMER = 10.0  # seconds for a dnsmasq whose parent was killed to write its leases and end
SETTLED = 0.05
"""Seconds without a change after which a lease file counts as whole."""
_LOG = 1 << 20
"""Bytes of its log that are kept."""
_STARTED = ": started, version "  # its first line once every socket is bound and root is dropped


class Dnsmasq:
    """The folder `run` holds its configuration, its log and the last settled copy of its leases."""

    def __init__(self, run: Path, lease_file: Path) -> None:
        self._conf_file = run / "dnsmasq.conf"
        self._log = run / "dnsmasq.log"
        self._settled = run / "leases.settled"
        self._lease_file = lease_file
        self._conf = ""
        self._process: programs.Child | None = None
        self._copied: reading.Signature | None = None

    @property
    def pidfd(self) -> int:
        """Readable once dnsmasq has ended; -1: it was not started."""
        return self._process.pidfd if self._process else -1

    @property
    def pid(self) -> int:
        """Its process id, 0 while there is none."""
        return self._process.pid if self._process else 0

    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.pidfd >= 0 and not pidfds.wait(self.pidfd, 0)

    def ensure(
        self, conf: str, kept: Collection[str], meanwhile: Callable[[], None] = lambda: None
    ) -> bool:
        """Make it run with this configuration; False: it did already.

        `kept` are the names in it that no lease may have. `meanwhile` is called in either case,
        while it starts. UserError carries dnsmasq's own message.
        """
        if self.is_running() and conf == self._conf:
            meanwhile()
            return False
        is_whole = self.stop()
        self._conf = conf
        program = programs.find("dnsmasq", "dnsmasq-base")
        account = _account()
        conf_file = f"--conf-file={self._conf_file}"
        # One whose parent was killed still has the sockets and the leases.
        process.await_end(program, conf_file, _FORMER, uid=account.pw_uid)
        replacing.replace(self._conf_file, self._conf.encode())
        self._mend_leases(account, b"" if is_whole else _content(self._settled), kept)
        argv = process.confined(
            [program, conf_file],
            user=account.pw_name,
            capabilities=dnsmasq_conf.CAPABILITIES,
        )
        self._log.write_bytes(b"")
        with self._log.open("ab") as log:  # O_APPEND, so `trim_log` can truncate it
            self._process = programs.Child(
                argv,
                [None, log.fileno(), log.fileno()],
                environment={"LC_ALL": "C", "PATH": os.defpath},
            )
        meanwhile()
        self._await_ready()
        return True

    def quit(self) -> None:
        """Ask it to end. That takes 20 ms, since it uses inotify: `stop` waits."""
        self._send(signal.SIGTERM)

    def stop(self) -> bool:
        """End it; its leases stay. True: it has exited normally, with all of them written."""
        if self._process is None:
            return False
        pidfds.end(self.pidfd, _QUIT)
        ended, self._process = self._process, None
        return ended.reap() == 0

    def reload_hosts(self) -> None:
        """Make it read its --dhcp-hostsdir again from scratch (SIGHUP); leases stay."""
        self._send(signal.SIGHUP)

    def _send(self, number: int) -> None:
        if self._process:
            pidfds.send(self.pidfd, number)

    def keep_leases(self) -> bool:
        """Copy the lease file if it has changed and is whole; `ensure` repairs it from the copy.

        False: call again later, because it is changing or dnsmasq has ended.
        """
        before = reading.signature(self._lease_file)
        if before is None or before == self._copied:
            return True
        still = abs(time.time() - reading.modified(before)) >= SETTLED
        if not still or not self.is_running():
            return False
        if alive.state(self.pid) not in alive.WAITING:  # it may stand still within a rewrite
            return False
        content = self._lease_file.read_bytes()
        if reading.signature(self._lease_file) != before or pidfds.wait(self.pidfd, 0):
            return False
        if not content.endswith(b"\n"):  # empty, or dnsmasq had no room for the rest
            return True
        replacing.replace(self._settled, content, mode=0o600)
        self._copied = before
        return True

    def trim_log(self) -> None:
        """Keep the end of a log that is too long: dnsmasq logs each request that it refuses."""
        with self._log.open("a+b") as log:
            if log.tell() > _LOG:
                log.seek(-_LOG // 2, os.SEEK_END)
                end = log.read()
                log.truncate(0)
                log.write(end)

    def _mend_leases(
        self, account: pwd.struct_passwd, settled: bytes, kept: Collection[str]
    ) -> None:
        current = _content(self._lease_file)
        whole = dnsmasq_conf.merge_leases(current, settled, int(time.time()), kept)
        owner = (account.pw_uid, account.pw_gid)
        replacing.replace(self._lease_file, whole, owner=owner)
        if whole:  # it may be killed within its first rewrite
            replacing.replace(self._settled, whole, mode=0o600)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _READY
        while _STARTED not in (said := self._log.read_text(errors="replace")):
            ended = pidfds.wait(self.pidfd, 0.001)  # an inotify instance costs 20 ms
            if ended or time.monotonic() > deadline:
                said = self._log.read_text(errors="replace").strip()
                self.stop()
                line = said.splitlines()[-1] if said else "dnsmasq: does not start"
                hint = "another server has taken every address: ss -lnup 'sport = 53 or sport = 67'"
                raise UserError(line, hint if "in use" in line else "")


def _account() -> pwd.struct_passwd:
    """The account that dnsmasq runs as: the one that its package makes, else nobody."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("dnsmasq")
    return pwd.getpwnam("nobody")


def _content(file: Path) -> bytes:
    with contextlib.suppress(FileNotFoundError):
        return file.read_bytes()
    return b""
