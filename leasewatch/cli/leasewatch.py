"""`leasewatch`: the command group. A command is loaded when it is used."""

from __future__ import annotations

from leasewatch.paths import Paths
from nss_pyvirt import __version__
from nss_pyvirt.terminal import commands, frame

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

command = commands.Group(
    """Which virtual machine has which address, and under which name.

    Exit codes: 0 done, 1 error, 2 wrong usage, 3 no such name, 4 timed out.
    """,
    version=__version__,
    members={
        "list": "leasewatch.cli.list_leases",
        "ip": "leasewatch.cli.ip",
        "resolve": "leasewatch.cli.resolve",
        "wait": "leasewatch.cli.wait",
        "connect": "leasewatch.cli.connect",
        "history": "leasewatch.cli.history",
        "sources": "leasewatch.cli.sources",
        "watch": "leasewatch.cli.watch",
        "top": "leasewatch.cli.top.command",
        "export": "leasewatch.cli.export",
        "doctor": "leasewatch.doctor.cli",
        "admin": "leasewatch.cli.admin",
        "dns": "leasewatch.cli.dns.command",
        "serve": "leasewatch.cli.serve",
    },
    unlisted={"net-dhcp-leases": "leasewatch.cli.net_dhcp_leases"},
    aliases={"domifaddr": "list"},
    epilog=frame.examples(
        "leasewatch list                     every lease, and the state of its name",
        "leasewatch ip web1                  its addresses, one per line",
        "leasewatch resolve web1 --explain   why it resolves as it does",
        "leasewatch wait web1 --for=tcp:22   until ssh answers there",
        "leasewatch history 10.77.0.12       who had it, and when",
        "leasewatch doctor web1              why it does not resolve",
    ),
)


def main(argv: Sequence[str] | None = None, paths: Paths | None = None) -> int:
    """Entry point of the console script: runs `argv`, returns the exit code.

    `paths` is for a system below another root.
    """
    return frame.run(command, "leasewatch", argv, obj=paths or Paths())
