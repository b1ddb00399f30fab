"""The nftables table of the MAC filter. Pure.

A lease belongs to a domain by the MAC that dnsmasq saw. So no other port of a bridge may show that
MAC: not as a frame's sender, and not in DHCP, ARP or neighbour discovery. Nor may a port use an
address that another MAC holds. `frame_rules.py` has the rules, `holders.py` the leased addresses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from leasewatch.model import DomainState
from leasewatch.pyvirt.defined.network import table_name
from leasewatch.pyvirt.files import tap_owners
from leasewatch.pyvirt.mac_filter import frame_rules
from leasewatch.pyvirt.mac_filter.frame_rules import HOLD, MAX_HELD, Guest, Wire
from leasewatch.pyvirt.mac_filter.rule_templates import FD_SOURCE

_KNOWN = "flags dynamic,timeout; timeout 30s; size 65535;"
_USED = f"typeof {FD_SOURCE}; flags dynamic,timeout; timeout {HOLD}; size {MAX_HELD};"
_HOOKS = {
    "cards": "{ type filter hook prerouting priority -300; }",
    "to_host": "{ type filter hook input priority -300; }",
}


def guests(domains: Iterable[DomainState], network: str) -> list[Guest]:
    """The domains with at least one tap on a network."""
    found: dict[str, tuple[bool, list[tuple[str, str]]]] = {}
    for tap, (domain, nic) in sorted(tap_owners(domains).items()):
        if nic.network == network:
            found.setdefault(domain.name, (domain.mac_filtering, []))[1].append((tap, nic.mac))
    return [
        Guest(tuple(tap for tap, _ in cards), tuple(mac for _, mac in cards), strict)
        for strict, cards in found.values()
    ]


def remove(network: str) -> str:
    """The commands that remove the network's table, if there is one."""
    table = f"bridge {table_name(network)}"
    return f"add table {table}\ndelete table {table}\n"


def sets(network: str) -> str:
    """The commands that make the table, and the sets that no refresh empties, if missing."""
    table = f"bridge {table_name(network)}"
    return (
        f"add table {table}\n"
        f"add set {table} held {{ type ipv4_addr; }}\n"
        f"add set {table} holders {{ type ipv4_addr . ether_addr; }}\n"
        f"add set {table} known4 {{ type ifname . ipv4_addr; {_KNOWN} }}\n"
        f"add set {table} known6 {{ type ifname . ipv6_addr; {_KNOWN} }}\n"
    )


def refresh(
    network: str, wire: Wire | None, guests: Sequence[Guest], begun: Collection[str] = ()
) -> str:
    """One transaction that replaces the rules by those for exactly these guests.

    `wire` is None for a bridge of the host, whose other ports are not ours to judge.
    Held addresses stay, except those of the taps of a domain that has just `begun`: an earlier
    domain may have held them under the same name of a tap. Chains and sets of taps that are gone
    stay empty until the network stops.
    """
    table = f"bridge {table_name(network)}"
    ids = [guest.id for guest in guests]
    rules = list(frame_rules.rules(wire, guests))
    chains = dict.fromkeys([*_HOOKS, *frame_rules.chains(rules)])
    return sets(network) + "".join(
        f"{line}\n"
        for line in [
            *(f"add set {table} of_{one} {{ {_USED} }}" for one in ids),
            *(f"add chain {table} {name} {_HOOKS.get(name, '')}" for name in chains),
            f"flush table {table}",
            *(f"flush set {table} of_{one}" for one in ids if one in begun),
            *(f"add rule {table} {chain} {rule}" for chain, rule in rules),
        ]
    )
