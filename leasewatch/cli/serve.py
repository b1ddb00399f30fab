"""`leasewatch serve`: runs the service in the foreground."""

from __future__ import annotations

import contextlib
import signal
import socket

from leasewatch.daemon import account
from leasewatch.files import locks
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param


@commands.command(
    Param("--check", flag=True, help="Check the settings, report every fault, and exit.")
)
def command(paths: Paths, *, check: bool) -> int:
    """Watch the lease files and publish the names, until SIGTERM.

    Normally leasewatch.service runs this. SIGHUP reloads the settings. Started by root, it
    changes to the owner of its folders, or to the user leasewatch. --check exits with 1 if
    the settings have a fault.
    """
    if check:
        return _check(paths)
    serve(paths)
    return 0


def serve(paths: Paths, **times: float) -> None:
    """Be the one service of these paths; `times` are the `Service`'s. Raises UserError."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # it would end us until it is handled
    try:
        account.settle(account.service(paths))
        held = _the_one_service(paths)
    except OSError as error:
        if pid := _running(paths):
            raise _already(pid) from None
        raise UserError(
            f"{error.filename}: {error.strerror}",
            "run as root, or as the user leasewatch",
            "needs-root",
        ) from None
    try:
        _run(paths, **times)
    finally:
        held.release()


def _check(paths: Paths) -> int:
    from leasewatch import settings  # noqa: PLC0415  start-up time
    from nss_pyvirt.installer import sandbox  # noqa: PLC0415

    config, faults = settings.load(paths.config)
    for fault in faults:
        frame.print_error("leasewatch", fault)
    for file in config.lease_files():
        if sandbox.hides(file.path):
            what = f"{file.path}: {sandbox.CANNOT_SEE}"
            frame.print_warning("leasewatch", UserError(what, sandbox.hint(file.path)))
    return 1 if faults else 0


def _the_one_service(paths: Paths) -> locks.ProcessLock:
    held = locks.ProcessLock(paths.service_lock)
    try:
        held.acquire()
    except UserError:
        raise _already(locks.holder(paths.service_lock)) from None
    return held


def _running(paths: Paths) -> int | None:
    """The process that serves already, for a user who may not look at the lock."""
    from leasewatch.daemon.seats import peer_pid  # noqa: PLC0415  only here

    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        client.connect(str(paths.varlink))
        return peer_pid(client)
    return None


def _already(pid: int | None) -> UserError:
    return UserError(
        f"the leasewatch service is already running: process {pid}",
        f"to stop it: sudo systemctl stop leasewatch, or sudo kill {pid}",
        "running",
    )


def _run(paths: Paths, **times: float) -> None:
    import asyncio  # noqa: PLC0415 (the service's imports are not for --help)

    from leasewatch.daemon import logs  # noqa: PLC0415
    from leasewatch.service import Service  # noqa: PLC0415

    async def run() -> None:
        await Service(paths, **times).run()

    logs.start()
    asyncio.run(run())
