"""`leasewatch dns serve`: runs the DNS process in the foreground."""

from __future__ import annotations

import signal

from leasewatch.daemon import account
from leasewatch.files import locks
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands
from nss_pyvirt.terminal.commands import Param


@commands.command(
    Param("--check", flag=True, help="Exit with 0 if [dns] asks for anything, with 1 if not.")
)
def command(paths: Paths, *, check: bool) -> int:
    """Answer DNS questions and serve this host's zones.

    Runs until SIGTERM. Normally leasewatch-dns.service runs this. SIGHUP reloads the
    settings. Started by root, it changes to the user leasewatch-dns. It follows
    leasewatch.service, and keeps the names while that is away.
    """
    if check:
        return _check(paths)
    serve(paths)
    return 0


def serve(paths: Paths) -> None:
    """Be the one DNS process of these paths. Raises UserError."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # it would end us until it is handled
    try:
        account.settle(account.dns(paths))
        held = locks.ProcessLock(paths.dns_lock)
    except OSError as error:
        hint = "run as root, or as the user leasewatch-dns"
        raise UserError(f"{error.filename}: {error.strerror}", hint, "needs-root") from None
    _acquire(held, paths)
    try:
        _run(paths)
    finally:
        held.release()


def _check(paths: Paths) -> int:
    from leasewatch import settings  # noqa: PLC0415  start-up time

    return 0 if settings.load(paths.config)[0].dns.is_on() else 1


def _acquire(held: locks.ProcessLock, paths: Paths) -> None:
    try:
        held.acquire()
    except UserError:
        pid = locks.holder(paths.dns_lock)
        what = f"the DNS process is already running: process {pid}"
        hint = f"to stop it: sudo systemctl stop leasewatch-dns, or sudo kill {pid}"
        raise UserError(what, hint, "running") from None
    except OSError as error:
        hint = "run as root, or as the user leasewatch-dns"
        raise UserError(f"{error.filename}: {error.strerror}", hint, "needs-root") from None


def _run(paths: Paths) -> None:
    import asyncio  # noqa: PLC0415 (the process's imports are not for --help)

    from leasewatch.daemon import logs  # noqa: PLC0415
    from leasewatch.dns.process import Process  # noqa: PLC0415

    async def run() -> None:
        await Process(paths).run()

    logs.start()
    asyncio.run(run())
