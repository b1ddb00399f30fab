"""Turn the options of `pyvirt domain create` into a definition that fits this host.

It reads definitions and leases, and writes nothing.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path

import msgspec

from leasewatch import addresses
from leasewatch.model import LeaseFile
from leasewatch.names import labels
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store, subnets
from leasewatch.pyvirt.defined.domain import (
    Accel,
    DomainDefinition,
    NicDefinition,
    make_mac,
    parse_address,
    parse_mac,
)
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.files import NetworkFiles
from leasewatch.sources import dnsmasq
from nss_pyvirt.errors import UserError

_MAX_NAME = 63  # a socket's path has at most 107 bytes (unix(7))
_RESERVED = labels.RESERVED | {"_gateway", "_outbound"}


class DomainRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `create`.

    `macs` and `addresses` are for the first `networks`; the others get new MACs and any address.
    """

    name: str
    networks: Sequence[str]
    macs: Sequence[str] = ()
    addresses: Sequence[str] = ()
    aliases: Sequence[str] = ()
    disk: Path | None = None
    size: int | None = None
    """Bytes of the disk; None: its image's."""
    kernel: Path | None = None
    initrd: Path | None = None
    append: str | None = None
    """None: the console, where there is a kernel."""
    memory: int
    cpus: int
    accel: Accel = "auto"
    mac_filtering: bool = True


def plan(paths: Paths, request: DomainRequest) -> DomainDefinition:
    """The definition; UserError if the request cannot be met."""
    _check_name(request.name, "a domain's name")
    for alias in request.aliases:
        _check_name(alias, "an alias")
    if request.name in store.names(paths.domain_definitions):
        hint = f"pyvirt domain show {request.name}"
        raise UserError(f"domain {request.name} already exists", hint, "exists")
    others = store.readable(paths.domain_definitions, DomainDefinition)
    _check_names(paths, request, others)
    if request.size is not None and request.disk is None:
        raise UserError("--size is the size of a disk", "add --disk IMAGE", "invalid")
    # Without this kernel option `pyvirt domain console` would show nothing.
    append = "console=ttyS0 quiet" if request.kernel else ""
    return DomainDefinition(
        name=request.name,
        aliases=tuple(request.aliases),
        nics=_plan_nics(paths, request, others),
        memory=request.memory,
        cpus=request.cpus,
        accel=request.accel,
        disk=_existing(request.disk, "image"),
        kernel=_existing(request.kernel, "kernel"),
        initrd=_existing(request.initrd, "initrd"),
        append=append if request.append is None else request.append,
        mac_filtering=request.mac_filtering,
    ).checked()


def _plan_nics(
    paths: Paths, request: DomainRequest, others: Sequence[DomainDefinition]
) -> tuple[NicDefinition, ...]:
    for network in request.networks:
        store.check_defined(paths.network_definitions, network, "network")
    for what, given in (("MACs", request.macs), ("addresses", request.addresses)):
        if len(given) > len(request.networks):
            hint = "give --network for each of them"
            raise UserError(f"there are more {what} than networks", hint, "invalid")
    macs = _plan_macs(request, others)
    nics = []
    for network, mac, text in zip_longest(request.networks, macs, request.addresses):
        address = None if text is None else parse_address(text)
        if address is not None:
            defined = store.read(paths.network_definitions, network, Network)
            subnets.check_guest(address, network, defined.subnet)
            _check_free(paths, network, address, mac, others)
        nics.append(NicDefinition(network=network, mac=mac, address=address))
    return tuple(nics)


def _plan_macs(request: DomainRequest, others: Iterable[DomainDefinition]) -> list[str]:
    taken = {nic.mac: domain.name for domain in others for nic in domain.nics}
    chosen = [parse_mac(mac) for mac in request.macs]
    for mac in chosen:
        if mac in taken:
            raise UserError(
                f"MAC {mac} belongs to domain {taken[mac]}", "omit --mac to generate one", "exists"
            )
    while len(chosen) < len(request.networks):
        mac = make_mac(os.urandom(3))
        if mac not in taken and mac not in chosen:
            chosen.append(mac)
    return chosen


def _check_free(
    paths: Paths, network: str, address: str, mac: str, others: Iterable[DomainDefinition]
) -> None:
    """UserError where it is another domain's, or leased: that guest would be cut off."""
    for domain in others:
        if any((nic.network, nic.address) == (network, address) for nic in domain.nics):
            what = f"{address} belongs to domain {domain.name} on network {network}"
            raise UserError(what, f"pyvirt domain show {domain.name}", "exists")
    file = NetworkFiles(paths, network).leases
    data = file.read_bytes() if file.exists() else b""
    leases, _ = dnsmasq.parse(data, LeaseFile(path=str(file), network=network, suffix=""))
    owners = {nic.mac: f"domain {domain.name}" for domain in others for nic in domain.nics}
    for lease in leases:
        ended = 0 < lease.expires <= time.time()
        if addresses.text(lease.address) == address and lease.hwaddr != mac and not ended:
            holder = owners.get(lease.hwaddr or "", f"a machine with MAC {lease.hwaddr}")
            raise UserError(
                f"{address} is leased to {holder} on network {network}",
                "use another one, or shut that machine down first",
                "exists",
            )


def _check_names(paths: Paths, request: DomainRequest, others: Iterable[DomainDefinition]) -> None:
    """UserError where a name is given twice, or is one of a network or of another domain.

    A domain is also called NAME.NETWORK.SUFFIX, and a network NETWORK.SUFFIX.
    """
    names = [request.name, *request.aliases]
    for name in names:
        if names.count(name) > 1:
            hint = "a domain answers to its name anyway"
            raise UserError(f"{name} is given twice", hint, "invalid")
    networks = store.readable(paths.network_definitions, Network)
    zones = {network.name: f"{network.name}.{network.suffix}" for network in networks}
    owners = {zone: ("network", network) for network, zone in zones.items()}
    for domain in others:
        qualified = (f"{domain.name}.{zones.get(nic.network)}" for nic in domain.nics)
        for name in (domain.name, *domain.aliases, *qualified):
            owners[name] = "domain", domain.name
    names += [f"{request.name}.{zones[net]}" for net in request.networks if net in zones]
    for name in names:
        if name in owners:
            kind, owner = owners[name]
            hint = f"pyvirt {kind} show {owner}"
            raise UserError(f"{name} is a name of {kind} {owner} already", hint, "exists")


def _check_name(name: str, what: str) -> None:
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


def _existing(path: Path | None, what: str) -> str | None:
    """The absolute path of an existing file; else UserError."""
    if path is None:
        return None
    if not path.is_file():
        raise UserError(f"there is no {what} {path}", "give the path of a file", "not-found")
    return str(path.resolve())
