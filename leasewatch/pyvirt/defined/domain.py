"""Definitions of domains: their shape and their checks. No files, no randomness, no clock."""

from __future__ import annotations

import contextlib
import re
from typing import Annotated, ClassVar, Literal

import msgspec

from leasewatch import addresses
from leasewatch.pyvirt.defined.architectures import Arch
from leasewatch.pyvirt.defined.login import Login
from nss_pyvirt.errors import UserError

Accel = Literal["auto", "kvm", "tcg"]
Firmware = Literal["bios", "uefi"]
WantedFirmware = Literal["auto", "bios", "uefi"]
"""auto: what the first disk needs."""
Format = Literal["qcow2", "raw"]
"""Of an image."""

MAX_ALIASES = 8
"""With the longest names of all, a host record holds these (csrc/snapshot_format.h)."""

_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class NicDefinition(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A network interface; `mac` is lower case, colon-separated."""

    network: str
    mac: str
    address: str | None = None
    """IPv4: DHCP gives it this one only, and to no other machine."""


class DiskDefinition(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A disk: an overlay of an image that pyvirt owns."""

    file: Annotated[str, msgspec.Meta(pattern=r"\Adisk[0-9]*\.qcow2\Z")]
    """The overlay's name in the domain's folder."""
    sha256: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    """The digest of the image."""
    source: str
    """The path or the name that the owner gave the image."""
    size: Annotated[int, msgspec.Meta(ge=1)]
    """Bytes that the guest sees."""
    encrypted: bool = False
    """Whether the overlay is LUKS; the image beneath it never is."""


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
    arch: Arch = "x86_64"
    """The guest's architecture; `--accel kvm` needs the host's."""
    accel: Accel = "auto"
    machine: Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9._-]*\Z")] = ""
    """QEMU's machine type, e.g. pc-q35-7.2, which an upgrade does not change; empty: the newest."""
    disks: tuple[DiskDefinition, ...] = ()
    """The first one is what the firmware starts from."""
    volumes: tuple[str, ...] = ()
    """Further disks, behind `disks`: volumes, each by its name."""
    secret_file: str | None = None
    """The path of a file with the passphrase of all its disks, for a start without a question."""
    disk: str | None = None
    """The path of the image, from a version that owned none: `disks` takes its place at a start."""
    cdrom: str | None = None
    """The path of an ISO image, which the firmware starts if no disk has a system."""
    firmware: Firmware = "bios"
    kernel: str | None = None
    initrd: str | None = None
    append: str = ""
    mac_filtering: bool = True
    """Whether its cards may send only from their own MACs; a nested bridge needs others too."""
    autostart: bool = False
    """Whether `pyvirt up` starts it, as the host's boot does."""
    stop_timeout: Annotated[int, msgspec.Meta(ge=0, le=86400)] = 60
    """Seconds that the guest gets to shut down, by `stop` and when the host shuts down."""
    uuid: str = ""
    """Which machine it is, for QEMU and cloud-init; one made again has another."""
    login: Login | None = None
    """None: the guest gets no seed."""

    @property
    def may_be_encrypted(self) -> bool:
        """Whether a start may need passphrases; only a volume's file says whether it does."""
        return bool(self.volumes) or any(disk.encrypted for disk in self.disks)

    def checked(self) -> DomainDefinition:
        """The same; UserError where its parts do not fit together. `plan` checks new names."""
        if self.name.endswith(".json"):
            what = f'a domain\'s name ends with .json: "{self.name}"'
            raise _fault(what, "use another one: a run state is called that")
        if not (self.disks or self.disk or self.cdrom or self.kernel):
            hint = "give --disk FILE, --image NAME, or --kernel FILE with --initrd FILE"
            raise _fault(f"domain {self.name} has nothing to start from", hint)
        if not self.kernel and (self.initrd or self.append):
            what = "an initrd and a kernel command line need a kernel"
            raise _fault(what, "name a kernel too, or neither of them")
        if "\0" in self.append:
            raise _fault("append: it holds a NUL character", "remove that")
        if not self.nics:
            raise _fault(f"domain {self.name} is on no network", "name at least one")
        own = [f"MAC {parse_mac(nic.mac)}" for nic in self.nics]
        fixed = ((nic.address, nic.network) for nic in self.nics if nic.address is not None)
        own += [f"{parse_address(address)} on network {network}" for address, network in fixed]
        for each in own:
            if own.count(each) > 1:
                raise _fault(f"{each} is given twice", "give every interface its own")
        files = [disk.file for disk in self.disks]
        if len(files) > len({*files}):
            raise _fault("two disks have the same file", "give every disk its own")
        if len(self.aliases) > MAX_ALIASES:
            raise _fault(f"there are more than {MAX_ALIASES} aliases", "omit some")
        self._check_volumes()
        self._check_login()
        return self

    def _check_volumes(self) -> None:
        if len(self.volumes) > len({*self.volumes}):
            raise _fault("a volume is given twice", "name each once")
        if self.secret_file is not None and not self.secret_file.startswith("/"):
            what = f"secret file {self.secret_file} is not an absolute path"
            raise _fault(what, "start it with /")

    def _check_login(self) -> None:
        if self.uuid and not re.fullmatch(_UUID, self.uuid):
            what = f'uuid: "{self.uuid}" is none'
            raise _fault(what, "write it as in /proc/sys/kernel/random/uuid")
        if self.login is not None:
            if not self.uuid:
                raise _fault("a domain with a login needs a uuid", "add one: uuidgen")
            self.login.checked()


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


def make_uuid(random: bytes) -> str:
    """A UUID of version 4 (RFC 9562) from 16 random bytes."""
    digits = bytearray(random)
    digits[6] = digits[6] & 0x0F | 0x40
    digits[8] = digits[8] & 0x3F | 0x80
    text = digits.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def tap_mac(mac: str) -> str:
    """The MAC of the host's end of an interface.

    0xfe first: a bridge without a MAC of its own takes the lowest of its ports.
    """
    return "fe" + mac[2:]
