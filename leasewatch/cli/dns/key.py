"""`leasewatch dns key`: makes a TSIG key."""

from __future__ import annotations

from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param


@commands.command(Param("name", required=True), needs_root=True)
def command(paths: Paths, name: str) -> None:
    """Make a TSIG key for name servers and other hosts.

    With it they prove who they are. Prints the path of its file, which only the DNS
    process can read. The secret is not shown. The name servers and the other hosts of
    the site need the same file.
    """
    from leasewatch.daemon.dns_settings import is_name  # noqa: PLC0415  start-up time
    from leasewatch.dns import keys  # noqa: PLC0415

    if not is_name(name):
        what = f'"{name}" is no name of a key: lower-case letters, digits, hyphens and dots'
        raise UserError(what, "sudo leasewatch dns key site", "usage", exit_code=2)
    path = keys.make(paths.dns_keys, name)
    frame.print_done(str(path), path=str(path))
