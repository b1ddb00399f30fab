"""One QEMU process, from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path

from leasewatch.daemon import notify
from leasewatch.pyvirt import process
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.domains import qemu
from leasewatch.pyvirt.domains.console import Log
from leasewatch.pyvirt.files import DomainFiles
from nss_pyvirt import programs
from nss_pyvirt.errors import UserError

_ANSWER = 20.0  # seconds for QEMU to answer QMP; 0.1 on a quiet machine
_QUIT = 5.0  # seconds for QEMU to flush its disks and go


def await_former(name: str) -> None:
    """Wait until the QEMU of a killed parent has ended, as it locks the disk; else UserError."""
    process.await_end(_program(), qemu.guest_option(name), _QUIT)


async def run(
    files: DomainFiles, domain: DomainDefinition, accel: qemu.Chosen, taps: Sequence[int]
) -> None:
    """Run QEMU until its guest ends, or until SIGTERM, SIGINT or SIGHUP; READY=1 once QMP answers.

    QEMU gets `taps` and never outlives this process. UserError with QEMU's own last line when it
    fails.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    guest, logs = _start(files, domain, accel, taps)
    with _watch(guest, logs) as ended:
        try:
            await _first_of(_ready(files.qmp, ended), stop.wait())
            await _first_of(ended.wait(), stop.wait())
        finally:
            stopped = not ended.is_set()
            notify.notify("STOPPING=1")
            await _end(guest, ended)
    if guest.wait() and not stopped:
        raise _failure(files, guest.returncode)


def _start(
    files: DomainFiles, domain: DomainDefinition, accel: qemu.Chosen, taps: Sequence[int]
) -> tuple[subprocess.Popen[bytes], dict[int, Path]]:
    """QEMU, and the descriptors to read from, each with the log that gets its content."""
    program = _program()
    with contextlib.ExitStack() as given, contextlib.ExitStack() as kept:
        said, console_log = _pipe(kept, given)
        printed, errors = _pipe(kept, given)
        qmp, console = (given.enter_context(_listen(p)) for p in (files.qmp, files.console))
        descriptors = qemu.Descriptors(qmp.fileno(), console.fileno(), console_log, tuple(taps))
        argv = qemu.command(domain, accel=accel, overlay=files.overlay, descriptors=descriptors)
        guest = subprocess.Popen(
            process.confined(
                [program, *argv[1:]], death_signal="KILL", capabilities=qemu.CAPABILITIES
            ),
            pass_fds=descriptors.all(),
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us to act on
        )
        kept.pop_all()
    return guest, {said: files.console_log, printed: files.qemu_log}


def _pipe(kept: contextlib.ExitStack, given: contextlib.ExitStack) -> tuple[int, int]:
    """The ends of a pipe: one to read from, non-blocking, and one to write to."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    kept.callback(os.close, reading)
    given.callback(os.close, writing)
    os.set_blocking(reading, False)
    return reading, writing


def _program() -> str:
    return programs.find(qemu.SYSTEM, qemu.PACKAGES[qemu.SYSTEM])


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
        listening.listen(1)
    except BaseException:
        listening.close()
        raise
    return listening


@contextlib.contextmanager
def _watch(guest: subprocess.Popen[bytes], logs: Mapping[int, Path]) -> Iterator[asyncio.Event]:
    """An event that is set when `guest` ends; meanwhile the logs keep the end of its output.

    A guest can make QEMU print any number of messages, as it can write to its console.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    with contextlib.ExitStack() as ours:
        pidfd = os.pidfd_open(guest.pid)
        ours.callback(os.close, pidfd)
        loop.add_reader(pidfd, ended.set)
        ours.callback(loop.remove_reader, pidfd)
        for reading, path in logs.items():
            ours.callback(os.close, reading)
            log = ours.enter_context(contextlib.closing(Log(path)))
            ours.callback(_keep, reading, log)
            loop.add_reader(reading, _keep, reading, log)
            ours.callback(loop.remove_reader, reading)
        yield ended


def _keep(reading: int, log: Log) -> None:
    with contextlib.suppress(BlockingIOError):
        log.write(os.read(reading, 65536))  # as much as a pipe holds


async def _ready(path: Path, ended: asyncio.Event) -> None:
    from leasewatch.pyvirt.domains import qmp  # noqa: PLC0415  # loads while QEMU starts

    try:
        await qmp.execute(path, "query-status", within=_ANSWER)
    except UserError:
        # A QEMU that ends prints the reason, a moment after its socket has closed.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await ended.wait()
        if not ended.is_set():
            raise
    else:
        notify.notify("READY=1")


async def _first_of(*waits: Coroutine[object, object, object]) -> None:
    """Wait until one of `waits` is done; raises what it raises."""
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _end(guest: subprocess.Popen[bytes], ended: asyncio.Event) -> None:
    """End QEMU: SIGTERM lets it flush its disks, SIGKILL follows if it does not end."""
    for send in (guest.terminate, guest.kill):
        if ended.is_set():
            return
        send()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_QUIT):
                await ended.wait()


def _failure(files: DomainFiles, code: int) -> UserError:
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    why = qemu.complaint(files.qemu_log.read_text(errors="replace"))
    return UserError(
        f"QEMU ended {how}{why and f': {why}'}", f"see {files.qemu_log} and {files.console_log}"
    )
