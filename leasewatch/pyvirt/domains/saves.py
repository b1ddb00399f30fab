"""Save running guests: memory and devices go into a file, and QEMU ends.

QEMU writes the file, as for a migration. The guest is paused meanwhile. Until the file is complete
and has its name, every failure lets the guest go on; from then on it is saved. If this command is
killed, the domain's parent does the one or the other (`saver`).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from leasewatch.files import holders, locks
from leasewatch.model import DomainState
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.domains import disk, qemu_process, saved
from leasewatch.pyvirt.domains.known import KnownDomains
from leasewatch.pyvirt.domains.qemu import Chosen
from leasewatch.pyvirt.domains.qmp_session import QmpSession
from leasewatch.pyvirt.domains.saved import Saved
from leasewatch.pyvirt.files import DomainFiles, domain_state
from nss_pyvirt import pidfds
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import show

Tell = Callable[[int, int | None], None]
"""Gets the bytes that are saved, and all."""

_PATIENCE: Final = 60.0  # seconds that another command on the same domain may take
_ANSWER: Final = 20.0  # seconds for QEMU to answer
_QUIT: Final = 30.0  # seconds for QEMU and its parent to end
_LOOK: Final = 0.2  # seconds between two looks how far it is
_SPARE: Final = 32 << 20  # bytes for devices, and for the disks of others
_UNLIMITED: Final = 1 << 50
_OVER: Final = frozenset(("none", "completed", "failed", "cancelled"))
"""States of `query-migrate` in which nothing is being written."""
_MAPPED: Final = "mapped-ram"


class DomainSaves(KnownDomains):
    """All domains below one root."""

    def save(self, name: str, tell: Tell) -> int:
        """Save a guest and end its QEMU; returns the bytes on the disk. UserError: it goes on."""
        self.require(name)
        files = self._files(name)
        with locks.exclusive(files.commands, _PATIENCE):
            state = self._checked(files)
            domain = qemu_process.definition(files)
            _check_room(files, domain, state)
            saver = locks.ProcessLock(files.saving)
            saver.acquire()
            try:
                with contextlib.closing(QmpSession(files.migration_qmp, _ANSWER)) as session:
                    _Save(files, domain, state, session).run(tell)
                _await_end(files)
            finally:
                saver.release()
            return files.saved.stat().st_blocks * 512

    def _checked(self, files: DomainFiles) -> DomainState:
        """The run state of a guest that can be saved."""
        name = files.name
        state = domain_state(files)
        if state is None or not self.is_running(name):
            hint = f"sudo pyvirt domain start {name}"
            raise UserError(f"domain {name} is not running", hint, "not-running")
        if state.state not in {"running", "paused"}:
            what = f"domain {name} is {state.state}{state.why and f': {state.why}'}"
            raise UserError(what, f"pyvirt domain show {name}", "running")
        if not files.migration_qmp.exists():
            what = f"domain {name} was started by an earlier version of pyvirt"
            raise UserError(what, f"sudo pyvirt domain restart {name}", "running")
        return state


class _Save:
    """Saves one guest by its third monitor."""

    def __init__(
        self, files: DomainFiles, domain: DomainDefinition, state: DomainState, session: QmpSession
    ) -> None:
        self._files, self._domain, self._session = files, domain, session
        self._was_paused = state.state == "paused"
        self._accel = _accel(state.pid)

    def run(self, tell: Tell) -> None:
        """Write the file, give it its name, and tell QEMU to quit."""
        file = saved.unfinished(self._files)
        self._files.data.mkdir(parents=True, mode=0o700, exist_ok=True)
        try:
            fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                self._write(fd, tell)
            finally:
                os.close(fd)
            file.rename(self._files.saved)  # from here on it is saved
        except BaseException as error:
            with contextlib.suppress(UserError):  # QEMU has ended, or its parent goes on with it
                self._go_on()
            file.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise UserError(f"cannot save {self._files.name}: {error.strerror}") from error
            raise
        _sync(self._files.data)
        with contextlib.suppress(UserError):  # it may end before it answers
            self._session.ask("quit")

    def _write(self, fd: int, tell: Tell) -> None:
        os.fchmod(fd, 0o600)
        self._cancel()  # what a killed command has begun
        ask = self._session.ask
        number = -1
        is_mapped = self._set_up()
        if not self._was_paused:
            ask("stop")
        os.lseek(fd, saved.OFFSET, os.SEEK_SET)
        if is_mapped:
            number = ask("add-fd", fds=[fd])["fdset-id"]
            uri = f"file:/dev/fdset/{number},offset={saved.OFFSET}"
        else:
            ask("getfd", {"fdname": "saved"}, fds=[fd])
            uri = "fd:saved"
        try:
            ask("migrate", {"uri": uri})
            self._follow(tell)
        finally:
            if is_mapped:
                with contextlib.suppress(UserError):
                    ask("remove-fd", {"fdset-id": number})
        saved.write(fd, self._header(os.fstat(fd).st_size, is_mapped=is_mapped))

    def _set_up(self) -> bool:
        """Switch off what another command has left on; returns whether pages have their place."""
        known = self._session.ask("query-migrate-capabilities")
        is_mapped = any(each["capability"] == _MAPPED for each in known)
        wanted = {"events", _MAPPED}
        changes = [
            {"capability": name, "state": name in wanted}
            for name, state in ((each["capability"], each["state"]) for each in known)
            if state != (name in wanted)
        ]
        if changes:
            self._session.ask("migrate-set-capabilities", {"capabilities": changes})
        self._session.ask("migrate-set-parameters", {"max-bandwidth": _UNLIMITED})
        return is_mapped

    def _follow(self, tell: Tell) -> None:
        """Wait until QEMU has written all; UserError with its reason if it fails."""
        while True:
            answer = self._session.ask("query-migrate")
            if (ram := answer.get("ram")) is not None:
                tell(ram["total"] - ram["remaining"], ram["total"])
            if answer.get("status") in _OVER:
                break
            self._session.next_event(time.monotonic() + _LOOK)
        if answer["status"] != "completed":
            why = answer.get("error-desc") or f"it was {answer['status']}"
            raise UserError(f"cannot save {self._files.name}: {why}", self._room_hint(why))

    def _room_hint(self, why: str) -> str:
        return f"make room: df -h {self._files.data}" if "No space" in why else ""

    def _header(self, size: int, *, is_mapped: bool) -> Saved:
        numbers = self._session.ask("query-version")["qemu"]
        return Saved(
            domain=self._domain,
            accel=self._accel,
            qemu=(numbers["major"], numbers["minor"], numbers["micro"]),
            is_mapped=is_mapped,
            was_paused=self._was_paused,
            size=max(size, saved.OFFSET),
            since=time.time(),
            disks=saved.changed(disk.drives(self._files.paths, self._domain)),
        )

    def _go_on(self) -> None:
        self._cancel()
        if not self._was_paused:
            self._session.ask("cont")

    def _cancel(self) -> None:
        """End what is being written, if anything."""
        deadline = time.monotonic() + _ANSWER
        while self._session.ask("query-migrate").get("status", "none") not in _OVER:
            if time.monotonic() > deadline:
                raise UserError(f"QEMU does not cancel a migration of {self._files.name}")
            self._session.ask("migrate_cancel")
            self._session.next_event(time.monotonic() + 0.05)


def _accel(parent: int) -> Chosen:
    """With what QEMU runs the guest, by its command line."""
    pid = qemu_process.pid(parent)
    with contextlib.suppress(OSError, ValueError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return "kvm" if words[words.index(b"-accel") + 1] == b"kvm" else "tcg"
    return "tcg"


def _check_room(files: DomainFiles, domain: DomainDefinition, state: DomainState) -> None:
    """UserError if what QEMU holds in memory would not fit."""
    needed = min(domain.memory << 20, _held(qemu_process.pid(state.pid))) + _SPARE
    folder = next(each for each in (files.data, *files.data.parents) if each.exists())
    there = os.statvfs(folder)
    free = there.f_bavail * there.f_frsize
    if free < needed:
        what = (
            f"cannot save {files.name}: it may need {show.size(needed)}, {show.size(free)} is free"
        )
        raise UserError(what, f"make room: df -h {folder}", "failed")


def _held(pid: int | None) -> int:
    """Bytes of memory that a process has; swapped ones too."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        sizes = dict(line.split(":", 1) for line in lines)
        return sum(int(sizes[key].split()[0]) << 10 for key in ("VmRSS", "VmSwap") if key in sizes)
    return 0


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _await_end(files: DomainFiles) -> None:
    """Wait for the domain's parent; UserError if it does not end."""
    pidfd = holders.pidfd(files.lock)
    if pidfd is None:
        return
    try:
        if not pidfds.wait(pidfd, _QUIT):
            what = f"domain {files.name} is saved, but its QEMU does not end"
            raise UserError(what, f"sudo pyvirt domain stop --force {files.name}", "timeout")
    finally:
        os.close(pidfd)
