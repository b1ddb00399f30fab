"""`leasewatch serve`: runs the service in the foreground."""

from __future__ import annotations

import signal

import click

from leasewatch.daemon import account
from leasewatch.files import locks
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands


@click.command(cls=commands.Command)
@click.pass_obj
def command(paths: Paths) -> None:
    """Watch the lease files and publish the names, until SIGTERM.

    Normally leasewatch.service runs this. SIGHUP reads the settings anew. Started as root it
    becomes the owner of its folders, or the user leasewatch.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # it would end us until it is handled
    try:
        account.settle(paths)
        held = _the_one_service(paths)
    except OSError as error:
        raise UserError(
            f"{error.filename}: {error.strerror}",
            "run as root, or as the user leasewatch",
            "needs-root",
        ) from None
    try:
        _serve(paths)
    finally:
        held.release()


def _the_one_service(paths: Paths) -> locks.ProcessLock:
    held = locks.ProcessLock(paths.service_lock)
    try:
        held.take()
    except UserError:
        pid = locks.holder(paths.service_lock)
        raise UserError(
            f"another leasewatch serves {paths.service_run}: process {pid}",
            f"stop it first: sudo systemctl stop leasewatch, or sudo kill {pid}",
            "running",
        ) from None
    return held


def _serve(paths: Paths) -> None:
    import asyncio  # noqa: PLC0415 (the service's imports are not for --help)

    from leasewatch.daemon import logs  # noqa: PLC0415
    from leasewatch.service import Service  # noqa: PLC0415

    async def run() -> None:
        await Service(paths).run()

    logs.start()
    asyncio.run(run())
