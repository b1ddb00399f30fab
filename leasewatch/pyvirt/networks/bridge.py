"""Bridges and routes of the host through rtnetlink (pyroute2's IPRoute; its import costs 180 ms).

Decides nothing: what to make comes as values.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from leasewatch.pyvirt.defined.network import Bridge
from leasewatch.pyvirt.defined.subnets import Taken
from nss_pyvirt.errors import UserError

_IFA_F_NODAD = 0x02  # linux/if_addr.h
_MAIN_TABLE = 254


def routed_subnets(except_device: str = "") -> list[Taken]:
    """The subnets that the main table routes, default routes left out."""
    with IPRoute() as ipr:
        devices = {link["index"]: link.get_attr("IFLA_IFNAME") for link in ipr.get_links()}
        taken = []
        for family in (socket.AF_INET, socket.AF_INET6):
            for route in ipr.get_routes(family=family, table=_MAIN_TABLE):
                device = devices.get(route.get_attr("RTA_OIF"), "?")
                subnet = route.get_attr("RTA_DST")
                if subnet and device != except_device:
                    by = f"the host's route via {device}"
                    taken.append(Taken(f"{subnet}/{route['dst_len']}", by))
    return taken


def ensure_bridge(bridge: Bridge, ports: Iterable[str]) -> bool:
    """Make the bridge or mend it, and put `ports` (those that exist) on it; True: it was made.

    A bridge that somebody else made under this name is refused, known by its MAC.
    """
    if not Path("/proc/sys/net/ipv6").is_dir():
        raise UserError(
            "the kernel has IPv6 switched off, and networks need it",
            "boot without ipv6.disable=1",
            "missing",
        )
    try:
        with IPRoute() as ipr:
            made = _make(ipr, bridge)
            _configure(ipr, bridge, ports)
    except (NetlinkError, OSError) as error:
        raise UserError(f"cannot make bridge {bridge.name}: {error}") from error
    return made


def delete_link(name: str) -> None:
    """Remove an interface; none there is no error."""
    with IPRoute() as ipr:
        for index in ipr.link_lookup(ifname=name):
            ipr.link("del", index=index)


def _make(ipr: IPRoute, bridge: Bridge) -> bool:
    wanted = {"kind": "bridge", "br_stp_state": 0, "br_forward_delay": 0, "address": bridge.mac}
    try:
        ipr.link("add", ifname=bridge.name, **wanted)
    except NetlinkError as error:
        if error.code != errno.EEXIST:
            raise
    else:
        return True
    mac = Path(f"/sys/class/net/{bridge.name}/address").read_text().strip()
    if mac != bridge.mac:
        raise UserError(
            f"there is an interface {bridge.name} already that is not ours",
            f"ip link delete {bridge.name}, if nobody needs it",
            "exists",
        )
    return False


def _configure(ipr: IPRoute, bridge: Bridge, ports: Iterable[str]) -> None:
    (index,) = ipr.link_lookup(ifname=bridge.name)
    _quiet_ipv6(bridge.name)
    for address in bridge.addresses:
        text, _, length = address.partition("/")
        flags = {"flags": _IFA_F_NODAD} if ":" in text else {}
        ipr.addr("replace", index=index, address=text, prefixlen=int(length), **flags)
    ipr.link("set", index=index, state="up")
    for port in ports:
        for found in ipr.link_lookup(ifname=port):
            ipr.link("set", index=found, master=index, state="up")


def _quiet_ipv6(device: str) -> None:
    """IPv6 on, usable at once, and deaf to guests who advertise themselves as routers."""
    settings = {"accept_dad": "0", "accept_ra": "0", "autoconf": "0", "disable_ipv6": "0"}
    for key, value in settings.items():
        Path(f"/proc/sys/net/ipv6/conf/{device}/{key}").write_text(value)
