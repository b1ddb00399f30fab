"""Rules of other programs that may drop guests' packets. Pure.

Only pyvirt's networks are looked at: libvirt, Incus and multipass add rules of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from leasewatch.pyvirt.defined.network import bridge_of
from leasewatch.pyvirt.networks.firewall import Finding
from nss_pyvirt.checks import Row

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host

SUBJECT: Final = "firewall"
_NO_BRIDGE_NF: Final = (
    "sudo sysctl net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0"
)


def check(host: Host) -> Iterator[Row]:
    """What drops DHCP, what is forwarded, or frames between two guests."""
    started = [each for each in host.networks if each.is_up]
    if not started:
        yield Row("ok", SUBJECT, "no network of pyvirt is started")
        return
    if not host.is_root:
        yield Row("root", SUBJECT, "not checked: only root sees the host's rules")
        return
    rows: list[Row] = []
    for network in started:
        definition, bridge = network.definition, bridge_of(network.definition)
        found: list[Finding] = []
        if definition.mode != "bridged":
            found = host.dropping(bridge, definition.mode)
            rows += [_dropping(network.name, one) for one in found]
        if host.bridge_netfilter:
            known = {(one.owner, one.where) for one in found}
            between = host.dropping(bridge, "bridged")
            own = [one for one in between if (one.owner, one.where) not in known]
            rows += [_between(network.name, one) for one in own]
    yield from rows or [Row("ok", SUBJECT, "no other rules drop guests' packets")]


def _dropping(network: str, found: Finding) -> Row:
    detail = f"{found.owner} may drop packets of network {network} ({found.where})"
    fix = "; ".join(f"sudo {command}" for command in found.commands)
    return Row("warn", SUBJECT, detail, fix or f"look at {found.where}")


def _between(network: str, found: Finding) -> Row:
    detail = f"{found.owner} may drop frames between guests of network {network}"
    return Row("warn", SUBJECT, f"{detail} ({found.where}, bridge-nf)", _NO_BRIDGE_NF)
