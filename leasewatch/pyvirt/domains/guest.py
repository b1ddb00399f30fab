"""One QEMU process, from its start to its end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from leasewatch.daemon import notify
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.domains import qemu, sandbox
from leasewatch.pyvirt.domains.console import Log
from leasewatch.pyvirt.domains.incoming import Incoming
from leasewatch.pyvirt.domains.machines import MACHINES
from leasewatch.pyvirt.domains.monitor import Monitor
from leasewatch.pyvirt.domains.status import Status
from leasewatch.pyvirt.domains.supervisor import Button, Supervisor
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.images.qemu_img import complaint
from nss_pyvirt import programs
from nss_pyvirt.errors import UserError
from nss_pyvirt.users import QEMU_USER

_UNLOCK = 20.0  # seconds more for each encrypted disk, whose key slots it tries first
_QUIT = 5.0  # seconds for QEMU to flush its disks and go


class Given(NamedTuple):
    """Which guest runs, and on what."""

    domain: DomainDefinition
    accel: qemu.Chosen
    devices: qemu.Devices
    incoming: Incoming | None = None
    """None: it starts here; else it arrives."""


def run(
    files: DomainFiles,
    given: Given,
    signals: int,
    report: Callable[[Status], None],
    renew: Callable[[], int],
    prepare: Callable[[], None],
) -> str:
    """Run QEMU until its guest ends; READY=1 once the guest runs, or waits. Returns why it ended.

    QEMU never outlives this process. `prepare` is called while QEMU starts,
    before its guest runs. `Supervisor` explains `signals`, `report` and `renew`. UserError with
    QEMU's own last line when it fails, and if the QEMU of a killed parent does not end.
    """
    child, logs, monitor = _start(files, given)
    with contextlib.closing(_Guest(child, logs)) as guest, contextlib.closing(monitor):
        domain = given.domain
        why = given.incoming.why if given.incoming is not None else ""
        button = Button(is_pc=domain.arch == "x86_64", is_key=MACHINES[domain.arch].has_power_key)
        grace = domain.stop_timeout
        supervisor = Supervisor(guest, monitor, signals, files, grace, report, renew, why)
        supervisor.button = button
        supervisor.wait_longer(_UNLOCK * sum(bool(one.secret) for one in given.devices.drives))
        try:
            prepare()
            supervisor.follow()
        finally:
            stopped = not guest.has_ended
            notify.notify("STOPPING=1")
            guest.end(at_once=not supervisor.is_ready)
    if (code := child.reap()) and not stopped:
        raise _failure(files, code)
    return supervisor.end or "QEMU ended"


def _start(files: DomainFiles, which: Given) -> tuple[programs.Child, dict[int, Path], Monitor]:
    """QEMU, the descriptors to read from, each with the log that gets its content, its monitor."""
    domain, accel, devices, incoming = which
    machine = MACHINES[domain.arch]
    program = programs.find(machine.program, machine.package)
    with contextlib.ExitStack() as given, contextlib.ExitStack() as kept:
        lock = _lock(given, files)
        said, console_log = _pipe(kept, given)
        printed, errors = _pipe(kept, given)
        listening = (files.qmp, files.migration_qmp, files.console)
        qmp, migration, console = (given.enter_context(_listen(path)) for path in listening)
        ours, events = socket.socketpair()
        kept.callback(ours.close)
        given.callback(events.close)
        layers = tuple(tuple(_open(given, one) for one in each.layers) for each in devices.drives)
        shown = qemu.sandbox_files(domain, devices)
        for path in (each for each in shown.values() if isinstance(each, Path)):
            _open(given, qemu.Layer(path, "raw"))  # a clearer message than the sandbox has
        descriptors = qemu.Descriptors(
            qmp.fileno(),
            events.fileno(),
            migration.fileno(),
            console.fileno(),
            console_log,
            devices.taps,
            layers,
        )
        argv = qemu.command(domain, accel, devices, descriptors)
        argv += qemu.INCOMING if incoming is not None else ()
        guest = sandbox.spawn(
            [program, *argv[1:]],
            [None, errors, errors],
            account=sandbox.account(kvm=accel == "kvm"),
            kept=[lock, *descriptors.all()],
            files=shown,
            kvm=accel == "kvm",
            userfaultfd=incoming is not None and incoming.postcopy,
        )
        kept.pop_all()
    return guest, {said: files.console_log, printed: files.qemu_log}, Monitor(ours)


def _pipe(kept: contextlib.ExitStack, given: contextlib.ExitStack) -> tuple[int, int]:
    """The ends of a pipe: one to read from, non-blocking, and one to write to."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    kept.callback(os.close, reading)
    given.callback(os.close, writing)
    os.set_blocking(reading, False)
    return reading, writing


def _lock(given: contextlib.ExitStack, files: DomainFiles) -> int:
    """Lock a file that QEMU inherits; UserError if the QEMU of a killed parent does not end."""
    lock = os.open(files.qemu_lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    given.callback(os.close, lock)
    deadline = time.monotonic() + _QUIT
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        if time.monotonic() > deadline:
            what = f"QEMU of an earlier run of {files.name} has not ended within {_QUIT:g} s"
            raise UserError(what, f"see what it does: ps -fu {QEMU_USER}", "timeout")
        time.sleep(0.01)


def _open(given: contextlib.ExitStack, layer: qemu.Layer) -> int:
    try:
        fd = os.open(layer.path, (os.O_RDWR if layer.writable else os.O_RDONLY) | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(f"cannot open {layer.path}: {error.strerror}") from error
    given.callback(os.close, fd)
    return fd


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    listening.listen(1)
    return listening


class _Guest:
    """A running QEMU. While this waits, the logs keep the end of its output.

    A guest can make QEMU print any number of messages, as it can write to its console.
    """

    def __init__(self, child: programs.Child, logs: Mapping[int, Path]) -> None:
        self._child = child
        self._logs = {reading: Log(path) for reading, path in logs.items()}
        self._open = set(self._logs)
        """Those whose writers have not closed them."""
        self.has_ended = False

    def wait(self, deadline: float | None, *others: int) -> set[int]:
        """Wait until QEMU has ended or one of `others` is readable; returns those that are."""
        while True:
            poll = select.poll()
            for fd in (self._child.pidfd, *self._open, *others):
                poll.register(fd, select.POLLIN)
            left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
            ready = {fd for fd, _ in poll.poll(left)}
            for reading in ready & self._open:
                self._keep(reading)
            self.has_ended = self.has_ended or self._child.pidfd in ready
            if self.has_ended or not ready.isdisjoint(others) or not ready:
                return ready.intersection(others)

    def _keep(self, reading: int) -> None:
        with contextlib.suppress(BlockingIOError):
            said = os.read(reading, 65536)  # as much as a pipe holds
            self._logs[reading].write(said)
            if not said:
                self._open.discard(reading)

    def end(self, *, at_once: bool) -> None:
        """SIGTERM lets it flush its disks, SIGKILL follows if it does not end.

        `at_once`: SIGKILL alone. A QEMU that only just starts does not react to SIGTERM, as it is
        PID 1 of its namespace.
        """
        for number in (signal.SIGKILL,) if at_once else (signal.SIGTERM, signal.SIGKILL):
            if not self.has_ended:
                signal.pidfd_send_signal(self._child.pidfd, number)
                self.wait(time.monotonic() + _QUIT)

    def close(self) -> None:
        """Keep what it said last."""
        for reading, log in self._logs.items():
            self._keep(reading)
            log.close()
            os.close(reading)


def _failure(files: DomainFiles, code: int) -> UserError:
    why = complaint(files.qemu_log.read_text(errors="replace"))
    if code == sandbox.FAILED:
        return UserError(why, sandbox.HINT, "needs-root")
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    return UserError(
        f"QEMU ended {how}{why and f': {why}'}", f"see {files.qemu_log} and {files.console_log}"
    )
