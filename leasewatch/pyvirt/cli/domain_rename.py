"""`pyvirt domain rename`."""

from __future__ import annotations

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param


@commands.command(
    Param("old", required=True, metavar="OLD", complete=halves.complete("domain")),
    Param("new", required=True, metavar="NEW"),
    needs_root=True,
    epilog=frame.examples("sudo pyvirt domain rename web1 shop"),
)
def command(old: str, new: str) -> None:
    """Give a stopped domain another name.

    Its disks, MAC addresses and fixed addresses stay.
    """
    from leasewatch.pyvirt.domains import rename  # noqa: PLC0415  start-up time

    rename.rename(Paths(), old, new)
    frame.print_done(f"domain {old} is called {new} now", domain=new, former=old)
