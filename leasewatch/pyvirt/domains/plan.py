"""Turn the options of `pyvirt domain create` into a definition that fits this host.

It reads definitions and leases, and writes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path

import msgspec

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.architectures import Arch
from leasewatch.pyvirt.defined.domain import (
    Accel,
    DiskDefinition,
    DomainDefinition,
    NicDefinition,
    WantedFirmware,
    make_mac,
    make_uuid,
    parse_address,
    parse_mac,
)
from leasewatch.pyvirt.defined.login import Login
from leasewatch.pyvirt.domains import architecture
from leasewatch.pyvirt.domains.checks import check, check_file
from leasewatch.pyvirt.domains.machines import MACHINES
from nss_pyvirt.errors import UserError


class DomainRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `create`.

    `macs` and `addresses` are for the first `networks`; the others get new MACs and any address.
    """

    name: str
    networks: Sequence[str]
    macs: Sequence[str] = ()
    addresses: Sequence[str] = ()
    aliases: Sequence[str] = ()
    image: str | None = None
    """The image that the first disk starts from, by its name or digest."""
    image_source: str = ""
    """What the definition calls it; empty: as `image` does."""
    disks: Sequence[Path] = ()
    """Files that the disks, or the further ones, start from."""
    secret: bytes | None = None
    """The passphrase of the first disk; None: it is not encrypted."""
    volumes: Sequence[str] = ()
    size: int | None = None
    """Bytes of the first disk; None: its image's. With a CD alone the disk is empty."""
    cdrom: Path | None = None
    firmware: WantedFirmware = "auto"
    kernel: Path | None = None
    initrd: Path | None = None
    append: str | None = None
    """None: the console, where there is a kernel."""
    memory: int
    cpus: int
    arch: Arch | None = None
    """None: what the kernel or the image says, else the host's."""
    accel: Accel = "auto"
    machine: str = ""
    """QEMU's machine type; empty: the newest of each QEMU."""
    mac_filtering: bool = True
    stop_timeout: int = 60
    autostart: bool = False
    login: Login | None = None
    """None: no seed."""
    user_data: str = ""
    """The owner's, for cloud-init."""


def plan(
    paths: Paths, request: DomainRequest, disks: tuple[DiskDefinition, ...] | None = None
) -> DomainDefinition:
    """The definition; UserError if the request cannot be met.

    `disks` None: their images are not here yet. Everything else is checked then.
    """
    if request.name in store.names(paths.domain_definitions):
        hint = f"pyvirt domain show {request.name}"
        raise UserError(f"domain {request.name} already exists", hint, "exists")
    if request.size is not None and not (request.image or request.disks or request.cdrom):
        hint = "add --disk FILE, --image NAME or --cdrom FILE"
        raise UserError("--size is the size of a disk", hint, "invalid")
    if request.secret and not (request.image or request.disks or request.size):
        hint = "add --disk FILE, --image NAME, or --cdrom FILE with --size SIZE"
        raise UserError("--encrypt encrypts a disk", hint, "invalid")
    others = store.readable(paths.domain_definitions, DomainDefinition)
    arch = request.arch or architecture.chosen(paths, request, ())
    machine = MACHINES[arch]
    firmware = request.firmware
    if firmware == "auto":
        firmware = "bios" if machine.starts_disks or request.kernel else "uefi"
    # Without this kernel option `pyvirt domain console` would show nothing.
    append = f"console={machine.console} quiet" if request.kernel else ""
    domain = DomainDefinition(
        name=request.name,
        aliases=tuple(request.aliases),
        nics=_plan_nics(request, others),
        memory=request.memory,
        cpus=request.cpus,
        arch=arch,
        accel=request.accel,
        machine=request.machine,
        disks=_expected(request) if disks is None else disks,
        volumes=tuple(request.volumes),
        cdrom=_absolute(request.cdrom),
        firmware=firmware,
        kernel=_absolute(request.kernel),
        initrd=_absolute(request.initrd),
        append=append if request.append is None else request.append,
        mac_filtering=request.mac_filtering,
        stop_timeout=request.stop_timeout,
        autostart=request.autostart,
        uuid=make_uuid(os.urandom(16)),
        login=request.login,
    )
    return check(paths, domain, others)


def _expected(request: DomainRequest) -> tuple[DiskDefinition, ...]:
    """Stand-ins for the disks of images and files; UserError where there is no such file."""
    disks = []
    if request.image is not None:
        disks.append(DiskDefinition(file="disk.qcow2", sha256="0" * 64, source="image", size=1))
    for number, path in enumerate(request.disks):
        source = path.absolute()
        check_file(source, "image")
        file = f"disk-{number}.qcow2"
        disks.append(DiskDefinition(file=file, sha256="0" * 64, source=str(source), size=1))
    return tuple(disks)


def _plan_nics(
    request: DomainRequest, others: Iterable[DomainDefinition]
) -> tuple[NicDefinition, ...]:
    for what, given in (("MACs", request.macs), ("addresses", request.addresses)):
        if len(given) > len(request.networks):
            hint = "give --network for each of them"
            raise UserError(f"there are more {what} than networks", hint, "invalid")
    macs = [parse_mac(mac) for mac in request.macs]
    taken = {*macs, *(nic.mac for domain in others for nic in domain.nics)}
    macs += (new_mac(taken) for _ in request.networks[len(macs) :])
    addresses = [parse_address(text) for text in request.addresses]
    return tuple(
        NicDefinition(network=network, mac=mac, address=address)
        for network, mac, address in zip_longest(request.networks, macs, addresses)
    )


def new_mac(taken: set[str]) -> str:
    """A MAC that is not `taken`; it is then."""
    while (mac := make_mac(os.urandom(3))) in taken:
        pass
    taken.add(mac)
    return mac


def _absolute(path: Path | None) -> str | None:
    return None if path is None else os.path.realpath(path)
