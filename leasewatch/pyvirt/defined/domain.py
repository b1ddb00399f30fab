"""Definitions of domains: their shape and their checks. No files, no randomness, no clock."""

from __future__ import annotations

import contextlib
from typing import Annotated, ClassVar, Literal

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

    word: ClassVar[str] = "domain"
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
    """Whether its cards may send only from their own MACs; a nested bridge needs others too."""
    autostart: bool = False
    """Whether `pyvirt up` starts it, as the host's boot does."""
    stop_timeout: Annotated[int, msgspec.Meta(ge=0, le=86400)] = 60
    """Seconds that the guest gets to shut down, by `stop` and when the host shuts down."""

    def checked(self) -> DomainDefinition:
        """The same; UserError where its parts do not fit together. `plan` checks new names."""
        if self.name.endswith(".json"):
            what = f'a domain\'s name ends with .json: "{self.name}"'
            raise _fault(what, "use another one: a run state is called that")
        if not self.disk and not self.kernel:
            hint = "give --disk IMAGE, or --kernel FILE with --initrd FILE"
            raise _fault(f"domain {self.name} has nothing to start from", hint)
        if not self.kernel and (self.initrd or self.append):
            what = "an initrd and a kernel command line need a kernel"
            raise _fault(what, "name a kernel too, or neither of them")
        if not self.nics:
            raise _fault(f"domain {self.name} is on no network", "name at least one")
        own = [f"MAC {parse_mac(nic.mac)}" for nic in self.nics]
        fixed = ((nic.address, nic.network) for nic in self.nics if nic.address is not None)
        own += [f"{parse_address(address)} on network {network}" for address, network in fixed]
        for each in own:
            if own.count(each) > 1:
                raise _fault(f"{each} is given twice", "give every interface its own")
        if len(self.aliases) > MAX_ALIASES:
            raise _fault(f"there are more than {MAX_ALIASES} aliases", "omit some")
        return self


def parse_address(text: str) -> str:
    """An IPv4 address as four decimal numbers; raises UserError."""
    with contextlib.suppress(ValueError):
        address = addresses.parse(text)
        if len(address) == 4:
            return addresses.text(address)
    raise _fault(f'"{text}" is not an IPv4 address', "write it like 10.77.0.50")


def parse_mac(text: str) -> str:
    """A unicast MAC in lower case with colons, from any case and `:` or `-`; raises UserError."""
    try:
        mac = addresses.parse_mac(text)
    except ValueError:
        hint = "write it like 52:54:00:12:34:56"
        raise _fault(f'"{text}" is not a MAC address', hint) from None
    if int(mac[:2], 16) & 1:
        raise _fault(f"MAC {mac} is a multicast address", "make its first byte even, e.g. 52")
    if mac == "00:00:00:00:00:00":
        raise _fault(f"MAC {mac} is not valid", "write it like 52:54:00:12:34:56")
    return mac


def _fault(what: str, hint: str) -> UserError:
    return UserError(what, hint, "invalid")


def make_mac(random: bytes) -> str:
    """A MAC under QEMU's own prefix 52:54:00 from three random bytes."""
    return "52:54:00:" + random[:3].hex(":")


def tap_mac(mac: str) -> str:
    """The MAC of the host's end of an interface.

    0xfe first: a bridge without a MAC of its own takes the lowest of its ports.
    """
    return "fe" + mac[2:]
