"""Subnets that others have too, and rules and routes that lead guests' packets elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from leasewatch.pyvirt.defined import subnets
from leasewatch.pyvirt.defined.network import bridge_of
from nss_pyvirt.checks import Row, State

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host, StartedNetwork

SUBJECT: Final = "routes"


def check(host: Host) -> Iterator[Row]:
    """A row for each subnet of pyvirt that its bridge does not get all of."""
    rows = [row for network in host.networks for row in _judge(host, network)]
    yield from rows or [Row("ok", SUBJECT, "every subnet of pyvirt leads to its bridge")]


def _judge(host: Host, network: StartedNetwork) -> Iterator[Row]:
    definition, bridge = network.definition, bridge_of(network.definition)
    for version, subnet in ((4, definition.subnet), (6, definition.subnet6)):
        if not subnet:
            continue
        diversions = host.diversions(version)
        routed = diversions.routed(bridge)
        if taken := subnets.clash(subnet, routed, wider=not network.is_up):
            what = f"{taken.by} has {taken.subnet}"
            hint = f"sudo pyvirt network set {network.name} subnet=auto"
        elif found := diversions.find(subnet, bridge if network.is_up else ""):
            what, hint = found.what, f"sudo {found.hint}" if found.hint else ""
        else:
            continue
        state: State = "bad" if network.is_up else "warn"
        yield Row(state, SUBJECT, f"{subnet} of network {network.name}: {what}", hint or _ROUTES)


_ROUTES: Final = "ip rule; ip route show table all"
