"""Make, mend and remove a network's bridge; check one of the host that it joins."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from leasewatch.neighbours import kernel
from leasewatch.pyvirt import ip
from leasewatch.pyvirt.defined.network import Bridge
from nss_pyvirt.errors import UserError


def make_bridge(bridge: Bridge) -> bool:
    """Make the bridge, which passes no packet yet; False: it is there.

    UserError where it cannot be made, and where the name is that of somebody else's interface.
    """
    if not Path("/proc/sys/net/ipv6").is_dir():
        raise UserError(
            "IPv6 is disabled in the kernel, and networks need it",
            "boot without ipv6.disable=1",
            "missing",
        )
    link = kernel.links().get(bridge.name)
    if link is not None and link.mac != bridge.mac:
        raise UserError(
            f"interface {bridge.name} already exists and is not ours",
            f"ip link delete {bridge.name}, if nothing else uses it",
            "exists",
        )
    if link is None:
        made = f"address {bridge.mac} type bridge stp_state 0 forward_delay 0"
        _apply(bridge, [f"link add name {bridge.name} {made}"])
    return link is None


def configure_bridge(bridge: Bridge, ports: Iterable[str]) -> None:
    """Give the bridge its addresses and those of `ports` that exist, and start it.

    UserError where that fails.
    """
    there = kernel.links()
    try:
        _quiet_ipv6(bridge.name)
    except OSError as error:
        raise UserError(f"cannot make bridge {bridge.name}: {error}") from error
    _apply(bridge, [*_configuration(bridge), *_attach(bridge, filter(there.__contains__, ports))])


def _apply(bridge: Bridge, commands: Sequence[str]) -> None:
    try:
        ip.apply(commands)
    except UserError as error:
        raise UserError(f"cannot make bridge {bridge.name}: {error}", error.hint) from error


def check_joined(name: str) -> None:
    """UserError unless the host has a bridge of this name."""
    link = kernel.links().get(name)
    if link is None:
        bridges = "ip -brief link show type bridge"
        raise UserError(f"the host has no bridge {name}", f"see which it has: {bridges}", "missing")
    if link.kind != "bridge":
        hint = "make one with that card as its port, e.g. br0, and name it"
        raise UserError(f"interface {name} is not a bridge", hint, "invalid")


@contextlib.contextmanager
def bridge_deleted(name: str, mac: str) -> Iterator[None]:
    """Remove the interface `name` if its MAC is `mac`; otherwise it is not ours and stays.

    No packet passes it any more when this is entered. The kernel needs 30 ms longer, until the end.
    """
    link = kernel.links().get(name)
    if link is None or link.mac != mac:
        yield
        return
    deleting = ip.start([f"link delete dev {name}"])
    try:
        while kernel.indexes([name]) and not deleting.has_ended(0.001):
            pass
        yield
    finally:
        ip.finish(deleting)


def _configuration(bridge: Bridge) -> list[str]:
    addresses = [
        f"address replace {address} dev {bridge.name} {'nodad' if ':' in address else ''}"
        for address in bridge.addresses
    ]
    return [*addresses, f"link set dev {bridge.name} up"]


def _attach(bridge: Bridge, ports: Iterable[str]) -> list[str]:
    return [f"link set dev {port} master {bridge.name} up" for port in ports]


def _quiet_ipv6(device: str) -> None:
    """IPv6 on, usable at once, and deaf to guests who advertise themselves as routers."""
    settings = {"accept_dad": "0", "accept_ra": "0", "autoconf": "0", "disable_ipv6": "0"}
    for key, value in settings.items():
        Path(f"/proc/sys/net/ipv6/conf/{device}/{key}").write_text(value)
