"""Turn the options of `pyvirt domain create` into a definition that fits this host.

It reads definitions and leases, and writes nothing.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
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
    size: str | None = None
    kernel: Path | None = None
    initrd: Path | None = None
    append: str | None = None
    """None: the console, where there is a kernel."""
    memory: int
    cpus: int
    accel: Accel = "auto"
    mac_filtering: bool = True


def plan(paths: Paths, wish: DomainRequest) -> DomainDefinition:
    """The definition; UserError if the request cannot be met."""
    _check_name(wish.name, "a domain's name")
    if wish.name in store.names(paths.domain_definitions):
        hint = f"pyvirt domain show {wish.name}"
        raise UserError(f"domain {wish.name} exists already", hint, "exists")
    others = store.readable(paths.domain_definitions, DomainDefinition)
    _check_names(wish, others)
    _check_qualified(wish, others, _suffixes(paths))
    if wish.size is not None and wish.disk is None:
        raise UserError("--size is the size of a disk", "add --disk IMAGE", "invalid")
    return DomainDefinition(
        name=wish.name,
        aliases=tuple(wish.aliases),
        nics=_plan_nics(paths, wish, others),
        memory=wish.memory,
        cpus=wish.cpus,
        accel=wish.accel,
        disk=_existing(wish.disk, "image"),
        kernel=_existing(wish.kernel, "kernel"),
        initrd=_existing(wish.initrd, "initrd"),
        append=_console(wish) if wish.append is None else wish.append,
        mac_filtering=wish.mac_filtering,
    ).checked()


def _console(wish: DomainRequest) -> str:
    """The kernel option without which `pyvirt domain console` would show nothing."""
    return "console=ttyS0 quiet" if wish.kernel else ""


def _plan_nics(
    paths: Paths, wish: DomainRequest, others: Sequence[DomainDefinition]
) -> tuple[NicDefinition, ...]:
    known = store.names(paths.network_definitions)
    for network in wish.networks:
        if network not in known:
            raise store.unknown(network, known, "network")
    macs = _plan_macs(wish, others)
    if len(wish.addresses) > len(wish.networks):
        raise UserError(
            "there are more addresses than networks", "give --network for each --address", "invalid"
        )
    addresses: list[str | None] = [None] * len(wish.networks)
    for i, text in enumerate(wish.addresses):
        addresses[i] = address = parse_address(text)
        _check_address(paths, wish.networks[i], address, others)
        _check_not_leased(paths, wish.networks[i], address, macs[i], others)
        if (wish.networks[i], address) in zip(wish.networks[:i], addresses[:i], strict=True):
            raise UserError(f"{address} is given twice", "give every interface its own", "invalid")
    cards = zip(wish.networks, macs, addresses, strict=True)
    return tuple(NicDefinition(network=n, mac=m, address=a) for n, m, a in cards)


def _plan_macs(wish: DomainRequest, others: Iterable[DomainDefinition]) -> list[str]:
    if len(wish.macs) > len(wish.networks):
        raise UserError(
            "there are more MACs than networks", "give --network for each --mac", "invalid"
        )
    taken = {nic.mac: domain.name for domain in others for nic in domain.nics}
    chosen = [parse_mac(mac) for mac in wish.macs]
    for mac in chosen:
        if mac in taken:
            raise UserError(
                f"MAC {mac} belongs to domain {taken[mac]}", "omit --mac to generate one", "exists"
            )
    while len(chosen) < len(wish.networks):
        mac = make_mac(os.urandom(3))
        if mac not in taken and mac not in chosen:
            chosen.append(mac)
    return chosen


def _check_address(
    paths: Paths, network: str, address: str, others: Iterable[DomainDefinition]
) -> None:
    """UserError unless `address` is a guest's of `network` and no other domain's."""
    defined = store.read(paths.network_definitions, network, Network)
    subnets.check_guest(address, network, defined.subnet)
    for domain in others:
        if any((nic.network, nic.address) == (network, address) for nic in domain.nics):
            hint = f"pyvirt domain show {domain.name}"
            raise UserError(
                f"{address} belongs to domain {domain.name} on network {network}", hint, "exists"
            )


def _check_not_leased(
    paths: Paths, network: str, address: str, mac: str, others: Iterable[DomainDefinition]
) -> None:
    """UserError where another MAC has leased it: that guest would be cut off."""
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


def _check_names(wish: DomainRequest, others: Iterable[DomainDefinition]) -> None:
    """UserError where a name or alias is another domain's, or is given twice."""
    for alias in wish.aliases:
        _check_name(alias, "an alias")
    names = [wish.name, *wish.aliases]
    for domain in others:
        for name in names:
            if name in (domain.name, *domain.aliases):
                hint = f"pyvirt domain show {domain.name}"
                raise UserError(f"{name} is a name of domain {domain.name} already", hint, "exists")
    for name in names:
        if names.count(name) > 1:
            raise UserError(
                f"{name} is given twice", "a domain answers to its name anyway", "invalid"
            )


def _suffixes(paths: Paths) -> dict[str, str]:
    """The suffixes of the defined networks."""
    networks = store.readable(paths.network_definitions, Network)
    return {network.name: network.suffix for network in networks}


def _check_qualified(
    wish: DomainRequest, others: Iterable[DomainDefinition], suffixes: Mapping[str, str]
) -> None:
    """UserError where a name is NETWORK.SUFFIX, or a domain's NAME.NETWORK.SUFFIX."""
    mine = {wish.name, *wish.aliases}
    for network, suffix in suffixes.items():
        if (zone := f"{network}.{suffix}") in mine:
            raise UserError(f"{zone} stands for network {network}", "use one like web1", "exists")

    def qualified(name: str, networks: Iterable[str]) -> set[str]:
        return {f"{name}.{net}.{suffixes[net]}" for net in networks if net in suffixes}

    for other in others:
        theirs = qualified(other.name, (nic.network for nic in other.nics))
        for name in mine & theirs:
            raise UserError(
                f"{name} belongs to domain {other.name}",
                f"pyvirt domain show {other.name}",
                "exists",
            )
        for name in qualified(wish.name, wish.networks) & {other.name, *other.aliases}:
            raise UserError(
                f"{wish.name} would answer to {name}, a name of domain {other.name}",
                f"pyvirt domain show {other.name}",
                "exists",
            )


def _check_name(name: str, what: str) -> None:
    """UserError unless `name` can be published, be a file's name, and mean nothing else here."""
    folded = labels.fold(name)
    fault, hint = labels.owner_fault(folded), "use one like web1 or ubuntu22.04"
    host = labels.fold(socket.gethostname())
    if fault is None and name != folded:
        fault = "has upper-case letters, which make no difference in names"
        hint = f"did you mean {folded}?"
        if name.endswith("."):
            fault = "ends with a dot"
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
    whole = str(path.resolve())
    try:
        whole.encode()
    except UnicodeEncodeError:  # no definition can hold it
        raise UserError(
            f'the path of {what} "{whole}" is not UTF-8', "rename it", "invalid"
        ) from None
    return whole
