"""`pyvirt network …`: options in, sentences and rows out. Decides nothing about networks."""

from __future__ import annotations

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves
from leasewatch.pyvirt.cli.halves import each, say
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal import show as look
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from leasewatch.pyvirt.networks.attached import Attached
    from leasewatch.pyvirt.networks.listing import Listing
    from leasewatch.pyvirt.networks.networks import Networks

_COLUMNS = ("name", "state", "mode", "subnet", "subnet6", "bridge", "suffix", "autostart")
_WIDE = {"subnet6": 80, "suffix": 100, "autostart": 110}
"""The least width of a terminal that shows these."""
_ROWS = commands.rows(*_COLUMNS, "host_access", "reserved")
_NAME, _NAMES = halves.one_name("network"), halves.names("network")


def _networks() -> Networks:
    from leasewatch.pyvirt.networks.networks import Networks  # noqa: PLC0415  start-up time

    return Networks(Paths())


def _listing() -> Listing:
    from leasewatch.pyvirt.networks.listing import Listing  # noqa: PLC0415  start-up time

    return Listing(Paths())


command = commands.Group(
    "Networks for virtual machines: a bridge, addresses, DHCP and DNS.",
    members={
        "autostart": "leasewatch.pyvirt.cli.autostart:network",
        "edit": "leasewatch.pyvirt.cli.edit:network",
        "reserve": "leasewatch.pyvirt.cli.network_reserve",
        "set": "leasewatch.pyvirt.cli.network_set",
    },
    unlisted={"net-dhcp-leases": "leasewatch.pyvirt.cli.virsh:net_dhcp_leases"},
    aliases=halves.ALIASES,
    synonyms=halves.SYNONYMS | {"destroy": "stop"},
    epilog=frame.examples(
        "sudo pyvirt network create lab --subnet auto",
        "sudo pyvirt network start lab",
        "pyvirt network list -o json",
        "sudo pyvirt network stop lab && sudo pyvirt network delete lab",
    ),
)


@command.command(
    Param("name", required=True),
    Param("--subnet", metavar="auto|CIDR", help="IPv4, e.g. 10.9.0.0/24 (default: auto)."),
    Param(
        "--mode",
        kind=("nat", "isolated", "bridged"),
        help="nat (default): guests reach the world through the host; isolated: only the host and "
        "each other; bridged: see --bridge.",
    ),
    Param(
        "--bridge",
        metavar="BRIDGE",
        help="Join this bridge of the host; addresses come from its DHCP server.",
    ),
    Param("--suffix", default="internal", help="Hosts are GUEST.NAME.SUFFIX."),
    Param(
        "--host-access/--no-host-access",
        flag=True,
        default=True,
        help="Let guests reach the host's services; they always reach DHCP, DNS and ICMP.",
    ),
    needs_root=True,
    epilog=frame.examples(
        "sudo pyvirt network create lab",
        "sudo pyvirt network create lab --subnet 10.9.0.0/24 --mode isolated",
        "sudo pyvirt network create lab --suffix lab.test",
        "sudo pyvirt network create office --bridge br0",
    ),
)
def create(name: str, **wanted: Any) -> None:
    """Define a network. `pyvirt network start NAME` starts it."""
    network = _networks().create(name, say=say, **wanted)
    if network.bridge:
        sentence = f"network {name} is defined: guests join bridge {network.bridge}"
        frame.print_done(sentence, network=name, bridge=network.bridge)
        return
    sentence = f"network {name} is defined: {network.subnet}, {network.subnet6}"
    frame.print_done(sentence, network=name, subnet=network.subnet, subnet6=network.subnet6)


@command.command(*_ROWS, name="list")
def list_(output: frame.Format) -> int:
    """List all networks."""
    networks = _listing()
    empty = UserError("no networks yet", "sudo pyvirt network create lab", "not-found")
    code = halves.list_all(
        networks.names(),
        lambda name: _shown(networks.describe(name), output),
        _COLUMNS,
        _WIDE,
        output,
        empty=empty,
    )
    networks.keep()
    return code


@command.command(_NAME, *_ROWS)
def show(name: str, output: frame.Format) -> None:
    """Show one network.

    A terminal also shows what its bridge carries: ports, guests and their
    addresses, each with the time that its lease has left. JSON has the same.
    """
    row = _listing().describe(name)
    if output == "json":
        found = _attached(row)
        row |= found.rows() if found else {"ports": [], "others": []}
    if output != "table" or commands.Command.rows.columns:
        frame.write(frame.render([_shown(row, output)], tuple(row), output, name="name"))
        return
    shown = _shown(row, output)
    frame.write("".join(f"{key + ':':11}{shown[key]}\n" for key in _COLUMNS if shown[key]))
    if not row["host_access"]:
        frame.write("guests reach only DHCP, DNS and ICMP of the host\n")
    for one in _reserved(row):
        frame.write(f"reserved:  {one}\n")
    if frame.terminal_width():
        _draw(row)


def _attached(row: dict[str, object]) -> Attached | None:
    from leasewatch.pyvirt.networks import attached  # noqa: PLC0415  start-up time

    return attached.look(Paths(), str(row["name"]), str(row["bridge"]))


def _draw(row: dict[str, object]) -> None:
    import time  # noqa: PLC0415  start-up time

    from leasewatch.pyvirt.cli import network_tree  # noqa: PLC0415

    found = _attached(row)
    if found is not None:
        drawn = network_tree.lines(str(row["bridge"]), found, time.time())
        frame.write("\n" + "".join(f"{line}\n" for line in drawn))


def _reserved(row: dict[str, object]) -> Sequence[str]:
    found = row.get("reserved")
    return found if isinstance(found, list) else []


def _shown(row: dict[str, object], output: frame.Format) -> dict[str, object]:
    """The row with `yes` for True; JSON keeps it."""
    if output == "json":
        return row
    row = row | {"reserved": ",".join(_reserved(row))}
    return {k: halves.yes(v) if isinstance(v, bool) else v for k, v in row.items()}


@command.command(
    _NAMES, halves.every("Act on all networks."), check=halves.names_or_all, needs_root=True
)
def start(names: Sequence[str], *, every: bool) -> int:
    """Start networks at the same time, or repair those that are up."""
    networks = _networks()
    names = sorted(networks.names(), key=look.natural) if every else names
    if len(names) > 1:
        from leasewatch.pyvirt.cli import at_once  # noqa: PLC0415  start-up time

        return max(at_once.start("network", names).values())
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


@command.command(
    _NAMES, halves.every("Act on all networks."), check=halves.names_or_all, needs_root=True
)
def stop(names: Sequence[str], *, every: bool) -> int:
    """Stop networks at the same time. Leases are kept: guests get their addresses again."""
    from leasewatch.pyvirt.networks import stops  # noqa: PLC0415  start-up time

    def act(name: str) -> None:
        stops.stop(Paths(), name)

    chosen = sorted(_listing().names(), key=look.natural) if every else names
    if len(chosen) > 1:
        from leasewatch.pyvirt.cli import at_once  # noqa: PLC0415  start-up time

        return max(at_once.stop_networks(chosen).values())
    return each("network", chosen, act, "is stopped")


@command.command(_NAMES, check=halves.names_or_all, needs_root=True)
def delete(names: Sequence[str]) -> int:
    """Delete stopped networks that no domain uses, and their leases."""
    return each("network", names, _networks().delete, "is deleted")


@command.command(_NAME, hidden=True, needs_root=True)
def run(name: str) -> None:
    """Run a network in the foreground until SIGTERM, as its unit does."""
    halves.keep_log("network", name)
    _networks().run(name)
