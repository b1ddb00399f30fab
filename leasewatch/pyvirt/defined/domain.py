"""Definitions of domains: their shape and their checks. No files, no randomness, no clock."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from leasewatch import addresses
from nss_pyvirt.errors import UserError

Accel = Literal["auto", "kvm", "tcg"]

MAX_ALIASES = 8
"""With the longest names of all, a host record holds these (csrc/snapshot_format.h)."""


class NicDefinition(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A network interface; `mac` is lower case, colon-separated."""

    network: str
    mac: str
    address: str | None = None
    """IPv4: DHCP gives it this one only, and to no other machine."""


class DomainDefinition(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A domain as its owner defined it: /etc/pyvirt/domains/NAME.toml."""

    name: str
    aliases: tuple[str, ...] = ()
    """Further names; they answer as they are written, with no network behind them."""
    nics: tuple[NicDefinition, ...]
    memory: Annotated[int, msgspec.Meta(ge=32, le=4 << 20)]
    """MiB."""
    cpus: Annotated[int, msgspec.Meta(ge=1, le=255)]
    accel: Accel = "auto"
    disk: str | None = None
    """The base image; the domain writes to its own overlay of it."""
    kernel: str | None = None
    initrd: str | None = None
    append: str = ""
    mac_filtering: bool = True
    """Whether its cards may send from their own MACs alone; a nested bridge needs more."""


def check(domain: DomainDefinition) -> None:
    """Raise UserError where the parts do not fit together; names are names/labels.py's matter."""
    if domain.name.endswith(".json"):
        raise UserError(
            f'a domain\'s name ends with .json: "{domain.name}"',
            "use another one: a run state is called that",
            "invalid",
        )
    if domain.disk is None and domain.kernel is None:
        raise UserError(
            f"domain {domain.name} has nothing to start from",
            "give --disk IMAGE, or --kernel FILE with --initrd FILE",
            "invalid",
        )
    if domain.kernel is None and (domain.initrd or domain.append):
        raise UserError(
            "an initrd and a kernel command line need a kernel", "add --kernel FILE", "invalid"
        )
    if not domain.nics:
        raise UserError(f"domain {domain.name} is on no network", "add --network NAME", "invalid")
    macs = [parse_mac(nic.mac) for nic in domain.nics]
    for mac in macs:
        if macs.count(mac) > 1:
            raise UserError(f"MAC {mac} is given twice", "give every interface its own", "invalid")
    for nic in domain.nics:
        if nic.address is not None:
            parse_address(nic.address)
    if len(domain.aliases) > MAX_ALIASES:
        raise UserError(f"there are more than {MAX_ALIASES} aliases", "omit some", "invalid")


def parse_address(text: str) -> str:
    """An IPv4 address as four decimal numbers; raises UserError."""
    try:
        address = addresses.parse(text)
    except ValueError:
        address = b""
    if len(address) != 4:
        raise UserError(f'"{text}" is not an IPv4 address', "write it like 10.77.0.50", "invalid")
    return addresses.text(address)


def parse_mac(text: str) -> str:
    """A unicast MAC in lower case with colons, from any case and `:` or `-`; raises UserError."""
    try:
        mac = addresses.parse_mac(text)
    except ValueError:
        raise UserError(
            f'"{text}" is not a MAC address', "write it like 52:54:00:12:34:56", "invalid"
        ) from None
    if int(mac[:2], 16) & 1:
        raise UserError(
            f"MAC {mac} is a multicast address", "make its first byte even, e.g. 52", "invalid"
        )
    if mac == "00:00:00:00:00:00":
        raise UserError(
            "MAC 00:00:00:00:00:00 is not valid", "write it like 52:54:00:12:34:56", "invalid"
        )
    return mac


def make_mac(random: bytes) -> str:
    """A MAC under QEMU's own prefix 52:54:00 from three random bytes."""
    return "52:54:00:" + random[:3].hex(":")


def tap_mac(mac: str) -> str:
    """The MAC of the host's end of an interface.

    0xfe first: a bridge without a MAC of its own takes the lowest of its ports.
    """
    return "fe" + mac[2:]
