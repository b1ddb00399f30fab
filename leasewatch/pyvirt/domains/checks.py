"""Whether a definition fits this host: the checks that create, set, edit and rename share.

It reads definitions and leases, and writes nothing. `DomainDefinition.checked` has the checks that
need no host.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from leasewatch.names import labels
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition, parse_mac
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.domains import kernel_file
from leasewatch.pyvirt.domains.machines import MACHINES
from leasewatch.pyvirt.files import arriving_domains
from leasewatch.pyvirt.networks.free_address import check_free
from nss_pyvirt.errors import UserError

_MAX_NAME = 63  # a socket's path has at most 107 bytes (unix(7))
_RESERVED = labels.RESERVED | {"_gateway", "_outbound"}
_FILES = {"kernel": "kernel", "initrd": "initrd", "disk": "image", "cdrom": "CD image"}
"""Keys that hold the path of a file, and what messages call it."""


def check(
    paths: Paths,
    new: DomainDefinition,
    others: Sequence[DomainDefinition],
    old: DomainDefinition | None = None,
) -> DomainDefinition:
    """The same; UserError where this host cannot meet it.

    `others` are the definitions of all other domains. What `old`, the definition to be replaced,
    holds already is not checked again: a name may have become the host's since.
    """
    check_place(paths, new, others, old)
    for name in new.volumes:
        if old is None or name not in old.volumes:
            from leasewatch.pyvirt.volumes.volumes import Volumes  # noqa: PLC0415  start-up time

            Volumes(paths).check_free(name, others)
    for key, what in _FILES.items():
        path = getattr(new, key)
        if path is not None and path != getattr(old, key, None):
            check_file(Path(path), what)
            if key == "kernel":
                _check_kernel(Path(path), new)
    _check_machine(new)
    return new.checked()


def check_place(
    paths: Paths,
    new: DomainDefinition,
    others: Sequence[DomainDefinition],
    old: DomainDefinition | None = None,
) -> None:
    """UserError unless names, MACs, networks and fixed addresses are free and fit this host."""
    others = [*others, *_arriving(paths)]
    _check_names(paths, new, others, old)
    for nic in new.nics:
        if old is None or nic not in old.nics:
            _check_nic(paths, nic, others)


def _arriving(paths: Paths) -> list[DomainDefinition]:
    """What domains hold that come from another host and are not defined here yet."""
    return [
        DomainDefinition(
            name=state.name,
            aliases=state.aliases,
            nics=tuple(
                NicDefinition(network=nic.network, mac=nic.mac, address=nic.address or None)
                for nic in state.nics
            ),
            memory=32,
            cpus=1,
        )
        for state in arriving_domains(paths)
    ]


def _check_nic(paths: Paths, nic: NicDefinition, others: Sequence[DomainDefinition]) -> None:
    store.check_defined(paths.network_definitions, nic.network, "network")
    mac = parse_mac(nic.mac)
    for domain in others:
        if mac in {each.mac for each in domain.nics}:
            hint = "use another one, or none: pyvirt makes one then"
            raise UserError(f"MAC {mac} belongs to domain {domain.name}", hint, "exists")
    if nic.address is not None:
        defined = store.read(paths.network_definitions, nic.network, Network)
        check_free(paths, defined, nic.address, mac, others)


def _check_names(
    paths: Paths,
    new: DomainDefinition,
    others: Iterable[DomainDefinition],
    old: DomainDefinition | None,
) -> None:
    """UserError for a name that makes no sense, is given twice, or is a network's or another's.

    A domain is also called NAME.NETWORK.SUFFIX, and a network NETWORK.SUFFIX.
    """
    names = [new.name, *new.aliases]
    held = {old.name, *old.aliases} if old else set()
    for name in names:
        if name not in held:
            check_name(name, "a domain's name" if name == new.name else "an alias")
        if names.count(name) > 1:
            hint = "a domain answers to its name anyway"
            raise UserError(f"{name} is given twice", hint, "invalid")
    networks = store.readable(paths.network_definitions, Network)
    zones = {network.name: f"{network.name}.{network.suffix}" for network in networks}
    owners = {zone: ("network", network) for network, zone in zones.items()}
    for domain in others:
        for name in (domain.name, *domain.aliases, *_qualified(domain, zones)):
            owners[name] = "domain", domain.name
    held |= set(_qualified(old, zones)) if old else set()
    for name in (*names, *_qualified(new, zones)):
        if name in owners and name not in held:
            kind, owner = owners[name]
            hint = f"pyvirt {kind} show {owner}"
            raise UserError(f"{name} is a name of {kind} {owner} already", hint, "exists")


def _qualified(domain: DomainDefinition, zones: dict[str, str]) -> list[str]:
    return [f"{domain.name}.{zones[nic.network]}" for nic in domain.nics if nic.network in zones]


def check_name(name: str, what: str) -> None:
    """UserError unless `name` can be published, be a file's name, and mean nothing else here."""
    folded = labels.fold(name)
    fault, hint = labels.owner_fault(folded), "use one like web1 or ubuntu22.04"
    host = labels.fold(socket.gethostname())
    if fault is None and name != folded:
        fault = "has upper-case letters or a final dot, which make no difference"
        hint = f"did you mean {folded}?"
    elif len(name) > _MAX_NAME:
        fault = f"has more than {_MAX_NAME} characters"
    elif name.startswith("-"):
        fault = "starts with a hyphen"
    elif name in _RESERVED or name.startswith("ip6-"):
        fault = "is reserved"
    elif name in (host, host.partition(".")[0]):
        fault = "is this host's own name"
    if fault is not None:
        raise UserError(f'{what} {fault}: "{name}"', hint, "invalid")


def check_file(path: Path, what: str) -> None:
    """UserError unless the absolute `path` is one of a file."""
    if not path.is_absolute():
        raise UserError(f"{what} {path} is not an absolute path", "start it with /", "invalid")
    if not path.is_file():
        raise UserError(f"there is no {what} {path}", "give the path of a file", "not-found")


def _check_kernel(path: Path, domain: DomainDefinition) -> None:
    """UserError where QEMU would find no kernel in the file, or one for another architecture."""
    head = read_kernel(path)
    kernel = kernel_file.described(head)
    if kernel is None:
        what = f"{path} is {'no kernel' if head else 'empty'}"
        raise UserError(what, "give a file like /boot/vmlinuz-VERSION", "invalid")
    if kernel.arch not in (None, domain.arch):
        what = f"kernel {path} is for {kernel.arch}, and {domain.name} is a guest of {domain.arch}"
        raise UserError(what, f"give a kernel for {domain.arch}", "invalid")


def read_kernel(path: Path) -> bytes:
    """The beginning of a kernel's file; UserError."""
    try:
        with path.open("rb") as file:
            return file.read(kernel_file.HEAD)
    except OSError as error:
        raise UserError(f"cannot read kernel {path}: {error.strerror}") from error


def _check_machine(domain: DomainDefinition) -> None:
    """UserError for what the machine of that architecture cannot do."""
    machine = MACHINES[domain.arch]
    if domain.memory % machine.memory_step:
        more = -(-domain.memory // machine.memory_step) * machine.memory_step
        what = f"a guest of {domain.arch} has a multiple of {machine.memory_step} MiB of memory"
        raise UserError(f"{what}, not {domain.memory}", f"give it {more}M", "invalid")
    if domain.firmware == "uefi" and not machine.uefi:
        what = f"guests of {domain.arch} have no UEFI"
        raise UserError(what, "omit --firmware: their own firmware starts disks", "invalid")
    if domain.firmware == "bios" and not (domain.kernel or machine.starts_disks):
        what = f"without a kernel, a guest of {domain.arch} starts by UEFI alone"
        raise UserError(what, "use uefi as its firmware", "invalid")
