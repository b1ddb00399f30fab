"""`leasewatch dns`: the command group."""

from __future__ import annotations

from nss_pyvirt.terminal import commands, frame

command = commands.Group(
    """Serve names to other programs and hosts. Without COMMAND: status.

    leasewatch-dns.service does that as soon as [dns] in /etc/pyvirt/leasewatch.toml sets
    something. SETTINGS in leasewatch(1) has all keys.
    """,
    default="status",
    members={
        "status": "leasewatch.cli.dns.status",
        "key": "leasewatch.cli.dns.key",
        "setup": "leasewatch.cli.dns.setup",
        "withdraw": "leasewatch.cli.dns.withdraw",
        "serve": "leasewatch.cli.dns.serve",
    },
    epilog=frame.examples(
        "sudo leasewatch dns key site              a key for the site's name servers",
        "sudo systemctl restart leasewatch-dns     after the first change of [dns]",
        "leasewatch dns                            zones, who asked for them, peers",
    ),
)
