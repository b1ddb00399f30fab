"""The lists of a definition by the words of `domain set`: alias, network, address, volume.

Cards that stay keep their MAC and address. Reads the definitions that tell what is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

import msgspec

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition, parse_address
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.domains.plan import new_mac
from nss_pyvirt.errors import UserError

KEYS = ("alias", "network", "address", "volume")


def present(domain: DomainDefinition, key: str) -> tuple[str, ...]:
    """The values that a domain has of a key."""
    if key == "alias":
        return domain.aliases
    if key == "volume":
        return domain.volumes
    if key == "network":
        return tuple(dict.fromkeys(nic.network for nic in domain.nics))
    return tuple(nic.address for nic in domain.nics if nic.address)


def replaced(
    paths: Paths, domain: DomainDefinition, key: str, values: Sequence[str]
) -> DomainDefinition:
    """The domain with exactly these values of a key; UserError for an address of no network."""
    if key == "alias":
        return msgspec.structs.replace(domain, aliases=tuple(values))
    if key == "volume":
        return msgspec.structs.replace(domain, volumes=tuple(values))
    if key == "network":
        return _on_networks(paths, domain, values)
    addresses = [parse_address(value) for value in values]
    for nic in domain.nics:
        if nic.address and nic.address not in addresses:
            domain = with_address(domain, nic.network, None, nic.address)
    new = [address for address in addresses if address not in present(domain, key)]
    for address in new:
        domain = with_address(domain, _network_of(paths, domain, address), address)
    for address in new:
        if address not in present(domain, key):
            what = f"domain {domain.name} has one card on the network of {address}"
            raise UserError(what, "give each network one address", "invalid")
    return domain


def _on_networks(
    paths: Paths, domain: DomainDefinition, networks: Sequence[str]
) -> DomainDefinition:
    others = store.readable(paths.domain_definitions, DomainDefinition)
    taken = {nic.mac for each in (domain, *others) for nic in each.nics}
    kept = [nic for nic in domain.nics if nic.network in networks]
    added = [name for name in dict.fromkeys(networks) if name not in {nic.network for nic in kept}]
    nics = (*kept, *(NicDefinition(network=name, mac=new_mac(taken)) for name in added))
    return msgspec.structs.replace(domain, nics=nics)


def _network_of(paths: Paths, domain: DomainDefinition, address: str) -> str:
    """The first of the domain's networks that has an address; UserError names the subnets."""
    there = []
    for network in present(domain, "network"):
        subnet = store.read(paths.network_definitions, network, Network).subnet
        if not subnet or IPv4Address(address) in IPv4Network(subnet):
            return network
        there.append(f"{network} has {subnet}")
    what = f"{address} is on no network of domain {domain.name}"
    raise UserError(what, f"use an address of one of them: {', '.join(there)}", "invalid")


def with_address(
    domain: DomainDefinition, network: str, address: str | None, former: str | None = None
) -> DomainDefinition:
    """The domain whose card on `network` has the fixed `address`; None: any address.

    The card is that with the address `former`, else the first. UserError if it has none there.
    """
    cards = [nic for nic in domain.nics if nic.network == network]
    card = next((nic for nic in cards if nic.address == former), cards[0] if cards else None)
    if card is None:
        what = f"domain {domain.name} is not on network {network}"
        raise UserError(what, f"pyvirt domain show {domain.name}", "invalid")
    renewed = msgspec.structs.replace(card, address=address)
    nics = tuple(renewed if nic is card else nic for nic in domain.nics)
    return msgspec.structs.replace(domain, nics=nics)
