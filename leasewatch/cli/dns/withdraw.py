"""`leasewatch dns withdraw`: removes a host's names from the zone of `[dns.update]`."""

from __future__ import annotations

from leasewatch.daemon import account
from leasewatch.files import locks
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param


@commands.command(
    Param(
        "--id",
        name="host_id",
        metavar="ID",
        help="Remove the names of another host, which does not come back.",
    ),
    needs_root=True,
    epilog=frame.examples(
        "sudo systemctl stop leasewatch-dns && sudo leasewatch dns withdraw",
        "sudo leasewatch dns withdraw --id 3f2a91c0",
    ),
)
def command(paths: Paths, host_id: str | None) -> int:
    """Remove this host's names from the zone of [dns.update].

    leasewatch-dns.service must be stopped, because it would add them again. Records of
    other hosts stay, and so do those that leasewatch did not make. The id of a host is in
    each of its TXT records, which are at _pyvirt.NAME.

    Exits with 1 if a name could not be removed.
    """
    from leasewatch import settings  # noqa: PLC0415  start-up time
    from leasewatch.dns import export  # noqa: PLC0415
    from leasewatch.dns.update_plan import Owner  # noqa: PLC0415

    found = settings.load(paths.config)[0].dns
    if not found.update.server:
        what = f"[dns.update] in {paths.config} names no server"
        raise UserError(what, "set server, zone and key as they were", "invalid")
    account.settle(account.dns(paths))
    ours = export.owner_of(found, paths)
    owner = Owner("", host_id) if host_id is not None else ours
    held = locks.ProcessLock(paths.dns_lock)
    if owner.id == ours.id:
        _acquire(held, paths)
    try:
        result = export.withdraw(found, owner, paths)
    finally:
        held.release()
    return _print(result, found.update.zone)


def _acquire(held: locks.ProcessLock, paths: Paths) -> None:
    """Keep the service from starting meanwhile."""
    try:
        held.acquire()
    except UserError:
        pid = locks.holder(paths.dns_lock)
        what = f"the DNS process is running (process {pid}), and would add the names again"
        raise UserError(what, "sudo systemctl stop leasewatch-dns", "running") from None


def _print(result: list[tuple[str, bool]], zone: str) -> int:
    left = [name for name, is_gone in result if not is_gone]
    for name in left:
        what = f"{name}.{zone} stays: others have changed its TXT record"
        frame.print_error("leasewatch", UserError(what, f"dig _pyvirt.{name}.{zone} TXT"))
    gone = len(result) - len(left)
    shown = f"{gone} name{'' if gone == 1 else 's'} removed from {zone}"
    frame.print_done(shown, zone=zone, removed=gone, left=len(left))
    return 1 if left else 0
