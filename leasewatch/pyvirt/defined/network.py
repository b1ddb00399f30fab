"""The definition of a network, and the names and addresses that follow from it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Literal

import msgspec

from leasewatch.names import labels, suffix
from leasewatch.pyvirt.defined import subnets
from nss_pyvirt.errors import UserError

try:  # hashlib would load OpenSSL, which takes longer than all of this
    from _sha2 import sha256  # type: ignore[import-not-found]
except ImportError:  # Python 3.11
    from _sha256 import sha256  # type: ignore[import-not-found]

Mode = Literal["nat", "isolated", "bridged"]
"""`nat`: guests reach the world through the host; `isolated`: the host and each other only;
`bridged`: guests join a bridge of the host, where others give addresses."""

_INTERFACE = re.compile(r"[!-.0-9;-~]{1,15}")
"""Printable, without slash, colon or blank (Linux: dev_valid_name)."""


class Reservation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fixed address of a machine that is no domain."""

    name: str
    """The name that it gets; other guests get neither."""
    mac: str
    address: str
    """IPv4."""


class Network(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A network as its owner defined it: /etc/pyvirt/networks/NAME.toml."""

    word: ClassVar[str] = "network"
    name: str
    """One lower-case DNS label: hosts are GUEST.NAME.SUFFIX."""
    mode: Mode = "nat"
    bridge: str = ""
    """The host's bridge that guests join; mode `bridged` only."""
    subnet: str = ""
    """IPv4, e.g. `10.77.0.0/24`; the host takes the first address. Empty: `bridged`."""
    subnet6: str = ""
    """IPv6 /64, a ULA (RFC 4193) unless the owner has a better one. Empty: `bridged`."""
    suffix: str = "internal"
    host_access: bool = True
    """Whether guests reach the host's services; DHCP, DNS and ICMP they always do."""
    autostart: bool = False
    """Whether `pyvirt up` starts it, as the host's boot does."""
    reserved: tuple[Reservation, ...] = ()

    def checked(self) -> Network:
        """The same with its subnets in their usual spelling.

        UserError names the key and the value that make no sense.
        """
        if not labels.is_label(self.name) or self.name.isdigit():
            raise UserError(
                f'"{self.name}" cannot be a network\'s name',
                "use up to 63 lower-case letters, digits and inner hyphens, e.g. lab or web-2",
                "invalid",
            )
        if fault := suffix.fault(self.suffix):
            raise UserError(f'suffix: "{self.suffix}" {fault}', suffix.HINT, "invalid")
        if self.mode == "bridged":
            self._check_bridged()
            return self
        if self.bridge:
            what = f"bridge: a network of mode {self.mode} has a bridge of its own"
            raise UserError(what, 'mode = "bridged" joins one of the host', "invalid")
        subnet, subnet6 = subnets.check4(self.subnet), subnets.check6(self.subnet6)
        for number, each in enumerate(self.reserved):
            _check_reservation(f"reserved[{number}]", each, self.reserved[:number])
            subnets.check_guest(each.address, self.name, subnet)
        return msgspec.structs.replace(self, subnet=subnet, subnet6=subnet6)

    def _check_bridged(self) -> None:
        """UserError unless only the bridge is given."""
        if not _INTERFACE.fullmatch(self.bridge) or self.bridge in (".", ".."):
            what = f'bridge: "{self.bridge}" is not the name of an interface'
            raise UserError(what, "name a bridge of the host, e.g. br0", "invalid")
        if self.subnet or self.subnet6:
            key = "subnet" if self.subnet else "subnet6"
            what = f"{key}: guests of a bridged network get their addresses from others"
            raise UserError(what, f"omit {key}, or omit the bridge", "invalid")
        if self.reserved:
            what = "reserved: the DHCP server of that bridge reserves its addresses"
            raise UserError(what, "omit it, or omit the bridge", "invalid")
        if not self.host_access:
            what = "host_access: pyvirt adds no firewall rules to a bridge of the host"
            raise UserError(what, "omit it, or omit the bridge", "invalid")


def _check_reservation(key: str, one: Reservation, before: Sequence[Reservation]) -> None:
    """UserError where it makes no sense, or shares something with one before."""
    from leasewatch.pyvirt.defined.domain import parse_address, parse_mac  # noqa: PLC0415  # rare

    if fault := labels.guest_fault(one.name):
        hint = "use letters, digits and inner hyphens, e.g. printer"
        raise UserError(f'{key}.name: "{one.name}" {fault}', hint, "invalid")
    if parse_mac(one.mac) != one.mac or parse_address(one.address) != one.address:
        hint = f"{parse_mac(one.mac)} and {parse_address(one.address)}"
        raise UserError(f"{key}: write MAC and address in their usual form", hint, "invalid")
    for other in before:
        for what in ("name", "mac", "address"):
            if getattr(one, what) == getattr(other, what):
                said = f"{key}.{what}: {getattr(one, what)} is reserved for {other.name} already"
                raise UserError(said, "give each machine its own", "exists")


class Bridge(msgspec.Struct, frozen=True):
    """The host's end: `addresses` as `10.77.0.1/24`, IPv4 first."""

    name: str
    mac: str
    addresses: tuple[str, ...]


def bridge_of(network: Network) -> str:
    """The name of the bridge that its guests are on."""
    return network.bridge or bridge_name(network.name)


def bridge_name(name: str) -> str:
    """That of a bridge of ours: `pv-NAME`, shortened with a hash beyond Linux' 15 characters.

    Short ones start with `pv-` and hashed ones with `pv_`, so that the two never meet.
    """
    if len(name) <= 12:
        return f"pv-{name}"
    return f"pv_{name[:7]}-{sha256(name.encode()).hexdigest()[:4]}"


def bridge_mac(name: str) -> str:
    """The bridge's own MAC, the same after every restart, so guests' neighbour entries stay true.

    Without one it would take its lowest port's and change as guests come and go. It also tells a
    bridge of ours from one that somebody else made under the same name.
    """
    digest = sha256(b"bridge " + name.encode()).hexdigest()
    return ":".join(["02", *(digest[i : i + 2] for i in range(0, 10, 2))])


def bridge(network: Network) -> Bridge:
    """The bridge as it should be; one of the host's has no address of ours."""
    if network.bridge:
        return Bridge(network.bridge, "", ())
    addresses = (subnets.host_address(network.subnet), subnets.host_address(network.subnet6))
    return Bridge(bridge_name(network.name), bridge_mac(network.name), addresses)


def table_name(name: str) -> str:
    """`pyvirt_NAME`; names have no underscores, so two networks never share a table."""
    return f"pyvirt_{name.replace('-', '_')}"
