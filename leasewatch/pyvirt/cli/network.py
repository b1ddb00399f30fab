"""`pyvirt network …`: options in, sentences and rows out. Decides nothing about networks."""

from __future__ import annotations

from collections.abc import Sequence

import click

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli.each import each
from leasewatch.pyvirt.cli.say import say
from leasewatch.pyvirt.defined.network import Mode, Network, bridge_name
from leasewatch.pyvirt.networks.networks import Networks
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal import show as look

_COLUMNS = ("name", "state", "mode", "subnet", "subnet6", "bridge", "suffix")
_WIDE = {"subnet6": 80, "suffix": 100}
"""The least width of a terminal that shows these."""


def _complete(_context: click.Context, _argument: click.Parameter, typed: str) -> list[str]:
    return [name for name in Networks(Paths()).names() if name.startswith(typed)]


_name = click.argument("name", shell_complete=_complete)
_names = click.argument(
    "names", metavar="NAME...", nargs=-1, required=True, shell_complete=_complete
)


SYNONYMS = {
    **dict.fromkeys(("rm", "remove", "undefine"), "delete"),
    **dict.fromkeys(("info", "net-info", "status"), "show"),
    **dict.fromkeys(("define", "new"), "create"),
    "destroy": "stop",
    "ls": "list",
}


@click.group(
    cls=commands.Group,
    synonyms=SYNONYMS,
    epilog=frame.examples(
        "sudo pyvirt network create lab --subnet auto",
        "sudo pyvirt network start lab",
        "pyvirt network list -o json",
        "sudo pyvirt network stop lab && sudo pyvirt network delete lab",
    ),
)
@click.pass_context
def command(context: click.Context) -> None:
    """Networks for virtual machines: a bridge, addresses, DHCP and DNS."""
    context.obj = Networks(Paths())


@command.command(
    needs_root=True,
    epilog=frame.examples(
        "sudo pyvirt network create lab",
        "sudo pyvirt network create lab --subnet 10.9.0.0/24 --mode isolated",
        "sudo pyvirt network create lab --suffix lab.test",
    ),
)
@click.argument("name")
@click.option(
    "--subnet",
    default="auto",
    show_default=True,
    metavar="auto|CIDR",
    help="IPv4, e.g. 10.9.0.0/24.",
)
@click.option(
    "--mode",
    type=click.Choice(["nat", "isolated"]),
    default="nat",
    show_default=True,
    help="nat: guests reach the world through the host; isolated: only the host and each other.",
)
@click.option(
    "--suffix", default="internal", show_default=True, help="Hosts are GUEST.NAME.SUFFIX."
)
@click.option(
    "--host-access/--no-host-access",
    default=True,
    show_default=True,
    help="Let guests reach the host's services; they always reach DHCP, DNS and ICMP.",
)
@click.pass_obj
def create(
    networks: Networks, name: str, subnet: str, mode: Mode, suffix: str, *, host_access: bool
) -> None:
    """Define a network. `pyvirt network start NAME` starts it."""
    network = networks.create(name, subnet, mode, suffix, say, host_access=host_access)
    sentence = f"network {name} is defined: {network.subnet}, {network.subnet6}"
    frame.print_done(sentence, network=name, subnet=network.subnet, subnet6=network.subnet6)


@command.command("list")
@frame.output_option
@click.pass_obj
def list_(networks: Networks, output: frame.Format) -> None:
    """List all networks."""
    rows, faults = [], []
    for name in sorted(networks.names(), key=look.natural):
        try:
            rows.append(_row(networks, networks.get(name)))
        except UserError as error:
            faults.append(error)
    click.echo(frame.render(rows, _COLUMNS, output, name="name", wide=_WIDE), nl=False)
    if not rows and not faults and output == "table":
        empty = UserError("no networks yet", "sudo pyvirt network create lab", "not-found")
        frame.print_warning("pyvirt", empty)
    for fault in faults[:1]:  # the others' turn comes when it is mended
        raise fault


@command.command()
@_name
@frame.output_option
@click.pass_obj
def show(networks: Networks, name: str, output: frame.Format) -> None:
    """Show one network."""
    network = networks.get(name)
    row = _row(networks, network) | {"host_access": network.host_access}
    if output != "table":
        click.echo(frame.render([row], tuple(row), output, name="name"), nl=False)
        return
    for key in _COLUMNS:
        click.echo(f"{key + ':':9}{row[key]}")
    if not network.host_access:
        click.echo("guests reach only DHCP, DNS and ICMP of the host")


@command.command(needs_root=True)
@_names
@click.pass_obj
def start(networks: Networks, names: Sequence[str]) -> int:
    """Start networks, or repair those that are up already."""
    up = []

    def act(name: str) -> str:
        fresh = networks.start(name)
        up.append(name)
        return "is started" if fresh else "was started already"

    code = each("network", names, act)
    for name in up:
        _report_firewall(networks, name)
    return code


def _report_firewall(networks: Networks, name: str) -> None:
    """Report other rules of the host that may drop guests' packets, and what to type."""
    try:
        findings = networks.findings(name)
    except UserError as error:  # the network is up
        say(f"cannot tell whether other firewall rules drop the guests' packets: {error.what}")
        return
    for finding in findings:
        say(f"{finding.owner} may drop packets of network {name} ({finding.where})")
        for line in finding.commands:
            frame.print_hint(line)


@command.command(needs_root=True)
@_names
@click.pass_obj
def stop(networks: Networks, names: Sequence[str]) -> int:
    """Stop networks. Leases are kept, so that guests get their addresses again."""

    def act(name: str) -> str:
        networks.stop(name)
        return "is stopped"

    return each("network", names, act)


@command.command(needs_root=True)
@_names
@click.pass_obj
def delete(networks: Networks, names: Sequence[str]) -> int:
    """Delete stopped networks that no domain uses, and their leases."""

    def act(name: str) -> str:
        networks.delete(name)
        return "is deleted"

    return each("network", names, act)


@command.command(hidden=True, needs_root=True)
@_name
@click.pass_obj
def run(networks: Networks, name: str) -> None:
    """Run a network in the foreground until SIGTERM: `start` starts this, and so may a unit."""
    networks.run(name)


def _row(networks: Networks, network: Network) -> dict[str, object]:
    return {
        "name": network.name,
        "state": networks.state(network.name),
        "mode": network.mode,
        "subnet": network.subnet,
        "subnet6": network.subnet6,
        "bridge": bridge_name(network.name),
        "suffix": network.suffix,
    }
