"""What follows from a changed definition: the entries for dnsmasq, and what waits for a restart."""

from __future__ import annotations

from leasewatch.files import locks
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.networks import hosts_entries

_ELSE = {"nics", "autostart"}
"""Keys of a definition that have another name here, or nothing to wait for."""


def take_over(
    files: DomainFiles, old: DomainDefinition | None, new: DomainDefinition
) -> tuple[str, ...]:
    """Publish the definition `new`, which is written already; returns what waits for a restart.

    It may be repeated: what is there already is no error. Raises OSError, UserError.
    """
    if locks.holder(files.lock) is not None:
        return waiting(old, new) if old else ()
    hosts_entries.reduce(files.paths, files.name)
    return ()


def waiting(old: DomainDefinition, new: DomainDefinition) -> tuple[str, ...]:
    """The keys of `domain set` whose new value waits for a restart of the guest."""
    found = [
        key.replace("_", "-")
        for key in new.__struct_fields__
        if key not in _ELSE and getattr(old, key) != getattr(new, key)
    ]
    cards = [{(nic.network, nic.mac): nic.address for nic in each.nics} for each in (old, new)]
    if cards[0].keys() != cards[1].keys():
        found.append("network")
    if any(cards[1].get(card, address) != address for card, address in cards[0].items()):
        found.append("address")
    return tuple(found)
