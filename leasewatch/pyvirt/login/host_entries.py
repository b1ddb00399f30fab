"""The lines of /run/pyvirt/ssh_known_hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). Pure.

Each domain has one line, whose comment says so. It holds the domain's names, and every address that
its networks' guests may have: the bridge drops what a guest sends from an address of another, so
whoever answers there is the guest that has the address now. No lease has to be followed that way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from leasewatch import addresses
from leasewatch.model import NetworkState
from leasewatch.pyvirt.defined import subnets
from leasewatch.pyvirt.defined.domain import DomainDefinition

HEAD = "# Made by pyvirt: the host keys of its domains.\n"
_INTERFACE_IDS = (bytes.fromhex("505400fffe000001"), bytes.fromhex("00000000000001a3"))
"""One without and one with leading zeros, which an address is spelt without."""


def names(domain: DomainDefinition, networks: Iterable[NetworkState]) -> list[str]:
    """Every name of the domain, its own first."""
    qualified = (f"{domain.name}.{network.name}.{network.suffix}" for network in networks)
    return [domain.name, *domain.aliases, *qualified]


def line(
    domain: DomainDefinition,
    networks: Sequence[NetworkState],
    public: str,
    *,
    is_filtered: bool,
) -> str:
    """The domain's line. A guest that may send from any address gets its fixed ones alone."""
    places = [nic.address for nic in domain.nics if nic.address]
    for network in networks:
        if is_filtered:
            places += (one for subnet in network.subnets for one in _patterns(subnet))
    kind, key = public.split()[:2]
    return f"{','.join([*names(domain, networks), *places])} {kind} {key} {_comment(domain.name)}\n"


def replaced(text: str, name: str, new: str) -> str:
    """The file's text with the line `new`, or none if it is empty, for the domain `name`."""
    lines = text.splitlines(keepends=True) or [HEAD]
    kept = [one for one in lines if not one.endswith(f" {_comment(name)}\n")]
    return "".join([*kept, new])


def _comment(name: str) -> str:
    return f"domain:{name}"


def _patterns(subnet: str) -> Iterator[str]:
    """What every address of guests on a subnet matches, and the host's own address does not."""
    base, _, length = subnet.partition("/")
    first = addresses.parse(base)
    yield from _patterns4(first, int(length)) if len(first) == 4 else _patterns6(first)
    yield f"!{subnets.host_address(subnet).partition('/')[0]}"


def _patterns4(first: bytes, length: int) -> Iterator[str]:
    octets = -(-length // 8)  # that are fixed in one pattern
    number = int.from_bytes(first)
    for index in range(1 << 8 * octets - length):
        each = (number + (index << 32 - 8 * octets)).to_bytes(4)
        fixed = ".".join(map(str, each[:octets]))
        yield fixed if octets == 4 else f"{fixed}.*"


def _patterns6(first: bytes) -> Iterator[str]:
    """Of a /64."""
    found = set()
    for each in _INTERFACE_IDS:
        tail = addresses.text(bytes(8) + each).removeprefix("::")
        found.add(f"{addresses.text(first[:8] + each).removesuffix(tail)}*")
    yield from sorted(found)
