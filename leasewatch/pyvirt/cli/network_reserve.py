"""`pyvirt network reserve`."""

from __future__ import annotations

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param


@commands.command(
    Param("network", required=True, complete=halves.complete("network")),
    Param("name", required=True, complete=halves.complete("domain")),
    Param("--address", metavar="IPV4", help="The address; no other machine gets it."),
    Param("--mac", metavar="MAC", help="Network card of a machine that is no domain."),
    Param("--remove", flag=True, help="Remove the reservation."),
    needs_root=True,
    epilog=frame.examples(
        "sudo pyvirt network reserve lab web1 --address 10.77.0.50",
        "sudo pyvirt network reserve lab printer --mac MAC --address 10.77.0.51",
        "sudo pyvirt network reserve lab printer --remove",
    ),
)
def command(network: str, name: str, *, address: str | None, mac: str | None, remove: bool) -> None:
    """Reserve an address for a domain, or by MAC for another machine."""
    from leasewatch.pyvirt.defined import store  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.networks.change import NetworkChanges  # noqa: PLC0415

    paths = Paths()
    networks = NetworkChanges(paths)
    defined = networks.get(network)
    if remove == (address is not None) or (remove and mac):
        what = "give either --address or --remove"
        raise UserError(what, "pyvirt network reserve --help", "usage", exit_code=2)
    if defined.bridge:
        what = f"network {network} is bridged: the DHCP server of {defined.bridge} gives addresses"
        raise UserError(what, "reserve it there", "invalid")
    known = {one.name: one.mac for one in defined.reserved}
    is_domain = name in store.names(paths.domain_definitions)
    if is_domain and mac:
        hint = f"sudo pyvirt network reserve {network} {name} --address {address}"
        raise UserError(f"{name} is a domain, which has its own MAC", hint, "invalid")
    if is_domain and name not in known:
        _for_domain(paths, network, name, address)
    elif remove:
        networks.forget(network, name)
    elif given := mac or known.get(name):
        networks.reserve(network, name, given, address or "")
    else:
        hint = f"another machine: pyvirt network reserve {network} {name} --address {address} --mac"
        raise UserError(f'there is no domain "{name}"', f"{hint} MAC", "not-found")
    now = f"has the address {address}" if address else "has no reserved address"
    frame.print_done(f"{name} {now} on network {network}", name=name, network=network)


def _for_domain(paths: Paths, network: str, name: str, address: str | None) -> None:
    """Give the domain's card on the network this address; None: any."""
    from leasewatch.pyvirt.defined.domain import parse_address  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.domains import parts  # noqa: PLC0415
    from leasewatch.pyvirt.domains.change import DomainChanges  # noqa: PLC0415

    wanted = None if address is None else parse_address(address)
    changed = DomainChanges(paths).change(
        name, lambda domain: parts.with_address(domain, network, wanted)
    )
    if changed.waiting:
        halves.say("address takes effect after a restart")
        frame.print_hint(f"sudo pyvirt domain restart {name}")
