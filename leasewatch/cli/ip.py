"""`leasewatch ip NAME`: bare addresses, one per line, for scripts."""

from __future__ import annotations

import click

from leasewatch.cli import ask
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame, show


@click.command(
    cls=commands.Command,
    epilog=frame.examples("leasewatch ip web1", "ping $(leasewatch ip -4 web1 | head -n 1)"),
)
@click.argument("name", shell_complete=ask.complete_name)
@click.option("-4", "ipv4", is_flag=True, help="IPv4 only.")
@click.option("-6", "ipv6", is_flag=True, help="IPv6 only.")
@click.pass_obj
def command(paths: Paths, name: str, *, ipv4: bool, ipv6: bool) -> None:
    """Print the addresses of NAME, one per line, best first.

    Exits with 3 if there is no such name, or no such address yet.
    """
    reply = ask.resolve(paths, name)
    wanted = [family for family, only in ((4, ipv4), (6, ipv6)) if only or ipv4 == ipv6]
    found = [address for address in reply.addresses if address.family in wanted]
    if not found and not reply.addresses:
        hint = "leasewatch resolve " + name
        raise UserError(
            f"{reply.name} was started and has no address yet", hint, "pending", exit_code=3
        )
    if not found:
        raise UserError(
            f"{reply.name} has no IPv{wanted[0]} address", code="not-found", exit_code=3
        )
    shown = [frame.printable(show.address(a.address, a.ifindex)) for a in found]
    if commands.prints_json():
        import json  # noqa: PLC0415  start-up time

        click.echo(json.dumps(shown))
        return
    click.echo("\n".join(shown))  # in one write, so that `| head -n 1` breaks no pipe
