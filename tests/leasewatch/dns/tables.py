"""Tables of names for tests, as the service publishes them."""

from __future__ import annotations

from leasewatch import addresses
from leasewatch.dns.table import NameTable, Network
from leasewatch.model import HostAddress, HostRecord, Trust


def table(*networks: str, suffix: str = "internal") -> NameTable:
    """A table without names, with these networks."""
    made = NameTable()
    made.networks = {name: Network(name, suffix) for name in networks}
    return made


def record(
    names: str, texts: str, network: str = "lab", trust: Trust = "guest"
) -> tuple[HostRecord, ...]:
    """One record; `names` and addresses are words."""
    found = tuple(
        HostAddress(address=addresses.parse(text), expires=0, network=network)
        for text in texts.split()
    )
    return (HostRecord(tuple(names.split()), found, trust),)


def guest(name: str, texts: str, network: str = "lab") -> tuple[HostRecord, ...]:
    """The records of a guest's name."""
    return record(f"{name} {name}.{network}.internal", texts, network)


def owner(name: str, texts: str, *aliases: str, network: str = "lab") -> tuple[HostRecord, ...]:
    """The records of an owner's name."""
    return record(" ".join((name, f"{name}.{network}.internal", *aliases)), texts, network, "owner")
