"""The name of a domain that moves to another host: its addresses, and where it answers when.

A network that is bridged on both hosts is one link, so its guests keep their addresses. The
destination publishes them once the guest runs there. Elsewhere the guest asks for a new lease, as
its link goes down and up. The source keeps the name until the destination has it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from leasewatch import addresses as ip
from leasewatch.neighbours import kernel
from leasewatch.neighbours.table import VALID
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store, subnets
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.defined.network import Network, bridge_of
from leasewatch.pyvirt.domains import checks, relink
from leasewatch.pyvirt.domains.qmp_session import QmpSession
from leasewatch.pyvirt.domains.run import ASKS
from leasewatch.pyvirt.files import DomainFiles, started_network
from leasewatch.pyvirt.login import known_hosts
from leasewatch.pyvirt.networks import hosts_entries
from leasewatch.reach import addresses as reach
from nss_pyvirt.errors import UserError

PATIENCE: Final = float(ASKS)
"""Seconds that the source keeps the name while the destination has no address for it."""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A network card of the domain, in the order of its definition."""

    network: str
    mac: str
    joined: bool
    """Source: whether the network is bridged. After `check`: whether both hosts share its link."""
    addresses: tuple[str, ...] = ()
    """Those that its guest has at the source."""


def cards(paths: Paths, domain: DomainDefinition) -> tuple[Card, ...]:
    """Source: what this host knows of the cards of a running domain."""
    networks = store.readable(paths.network_definitions, Network)
    bridged = {each.name for each in networks if each.bridge}
    seen = _seen(paths, domain, networks)
    return tuple(
        Card(
            network=nic.network,
            mac=nic.mac,
            joined=nic.network in bridged,
            addresses=seen.get((nic.network, nic.mac), ()),
        )
        for nic in domain.nics
    )


def _seen(
    paths: Paths, domain: DomainDefinition, networks: Iterable[Network]
) -> dict[tuple[str, str], tuple[str, ...]]:
    """By network and MAC the addresses that are published; without the service the kernel's."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    known = reach.published(paths, domain.name)
    if known is None:
        known = []
        for network in networks:
            for index in kernel.indexes([bridge_of(network)]).values():
                there = (one for one in kernel.neighbours(index) if one.state & VALID and one.mac)
                known += ((network.name, one.mac, ip.text(one.address)) for one in there)
    for name, mac, address in known:
        found[name, mac] = (*found.get((name, mac), ()), address)
    return found


def check(
    paths: Paths,
    domain: DomainDefinition,
    cards: Sequence[Card],
    renamed: Mapping[str, str] = {},
) -> tuple[DomainDefinition, tuple[Card, ...]]:
    """Destination: definition and cards as they will be here; UserError where they cannot be.

    `renamed` are the networks that have another name here. Nothing is changed.
    """
    if unknown := sorted(renamed.keys() - {nic.network for nic in domain.nics}):
        what = f"domain {domain.name} is not on network {unknown[0]}"
        raise UserError(what, f"pyvirt domain show {domain.name}", "invalid")
    nics = tuple(
        msgspec.structs.replace(nic, network=renamed.get(nic.network, nic.network))
        for nic in domain.nics
    )
    here = msgspec.structs.replace(domain, nics=nics)
    networks = {nic.network: _network(paths, nic.network, renamed) for nic in nics}
    for nic in nics:
        _check_address(domain.name, nic, networks[nic.network])
    others = store.readable(paths.domain_definitions, DomainDefinition)
    try:
        checks.check_place(paths, here, others)
    except UserError as error:
        error.hint = f"there: {error.hint}"
        raise
    return here, tuple(
        msgspec.structs.replace(
            card,
            network=nic.network,
            joined=card.joined and _fits(networks[nic.network], card),
        )
        for card, nic in zip(cards, nics, strict=True)
    )


def _network(paths: Paths, name: str, renamed: Mapping[str, str]) -> Network:
    """The started network of that name; UserError says what to type."""
    try:
        network = store.read(paths.network_definitions, name, Network)
        started_network(paths, name)
    except UserError as error:
        hint = f"sudo pyvirt network create {name}" if error.code == "not-found" else error.hint
        error.hint = f"there: {hint}"
        if name not in renamed.values():
            error.hint += f"; or name another one of that host: --network {name}=OTHER"
        raise
    return network


def _check_address(domain: str, nic: NicDefinition, network: Network) -> None:
    """UserError unless the fixed address of a card is one of the network's."""
    if nic.address is None or not network.subnet:
        return
    try:
        subnets.check_guest(nic.address, network.name, network.subnet)
    except UserError as error:
        error.hint = f"remove it first: sudo pyvirt domain set {domain} address-={nic.address}"
        raise


def _fits(network: Network, card: Card) -> bool:
    """Whether a bridged network has the card's IPv4 addresses, as far as this host can tell."""
    if not network.bridge:
        return False
    index = kernel.links()[network.bridge].number
    prefixes = [own for own in kernel.addresses().get(index, []) if len(own[0]) == 4]
    held = [ip.parse(each) for each in card.addresses if ":" not in each]
    return not prefixes or all(
        any(_is_within(each, own, length) for own, length in prefixes) for each in held
    )


def _is_within(address: bytes, own: bytes, length: int) -> bool:
    shift = 8 * len(own) - length
    return int.from_bytes(address) >> shift == int.from_bytes(own) >> shift


def announce(paths: Paths, cards: Iterable[Card]) -> None:
    """Destination, as soon as the guest runs: let the kernel know who has which address.

    The service publishes what the kernel believes; the kernel asks the guest itself. It takes a
    millisecond, and a failure only delays the name until the guest is seen.
    """
    for card in cards:
        if not card.joined:
            continue
        network = store.read(paths.network_definitions, card.network, Network)
        for index in kernel.indexes([bridge_of(network)]).values():
            for address in card.addresses:
                with contextlib.suppress(OSError, ValueError):  # no IPv6 there, for example
                    kernel.believe(index, ip.parse(address), card.mac)


def bounce(session: QmpSession, cards: Sequence[Card]) -> None:
    """Destination, once the guest runs: take down its links that are new, and up again.

    A guest whose link comes up asks for a lease.
    """
    relink.bounce(session, [index for index, card in enumerate(cards) if not card.joined])


def await_name(paths: Paths, name: str, cards: Iterable[Card], patience: float = PATIENCE) -> str:
    """Destination: wait until its table has the name; returns what is wrong, empty: nothing.

    The source then ends the domain, and with it the old name. A name that had no address there is
    not waited for. One that had an IPv4 address needs one again.
    """
    known = [address for card in cards for address in card.addresses]
    if not known:
        return ""
    what: reach.What = "address" if all(":" in one for one in known) else "ipv4"
    try:
        reach.Awaited(paths, name, time.monotonic() + patience, what).addresses()
    except UserError as error:
        return error.what
    return ""


def retire(files: DomainFiles) -> None:
    """Source, once the domain has ended there: forget its host key, and its name for dnsmasq."""
    known_hosts.forget(files.paths, files.name)
    hosts_entries.remove(files.paths, files.name)
