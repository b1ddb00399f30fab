"""From the zones of other hosts to the records of the table of peers. Pure.

Every name of a zone answers as NAME.HOST.vm.SITE or NAME.NETWORK.HOST.vm.SITE. A bare NAME answers
too if the other host's owner gave it, which NAME.HOST.vm.SITE says, and if

- one host alone has it, or all that have it say the same addresses: a guest moves between them,
- it is not blocked here (this host's own names, reserved ones, defined domains, other hosts),
- it has an address outside this host's own networks: many hosts have the same private subnets, and
  there the address is another guest's, or no guest's. Bridged networks are not its own alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_network
from itertools import islice
from typing import NamedTuple

from leasewatch.addresses import Address
from leasewatch.model import HostAddress, HostRecord, Trust


class Key(NamedTuple):
    """A name of a host's zone, relative to it."""

    host: str
    name: str


class _Zone(NamedTuple):
    apex: str
    names: Mapping[str, tuple[Address, ...]]
    expires: int


class _Prefix(NamedTuple):
    """A subnet, to compare with addresses as numbers."""

    length: int
    """Bytes of its addresses."""
    network: int
    shift: int

    def has(self, address: Address) -> bool:
        """Whether the address is in it."""
        return (
            len(address) == self.length
            and int.from_bytes(address, "big") >> self.shift == self.network
        )


class PeerNames:
    """Knows which names collide. Its methods return the keys whose records have to be set again."""

    def __init__(self) -> None:
        self._zones: dict[str, _Zone] = {}
        self._bare: dict[str, set[str]] = {}
        """By bare name: the hosts whose owners gave it."""
        self._blocked: Collection[str] | None = None
        """None: not known yet, so no bare name answers."""
        self._cidrs: Collection[str] = ()
        self._prefixes: list[_Prefix] = []

    def set_own(self, blocked: Collection[str], prefixes: Collection[str]) -> set[Key]:
        """What this host has itself: names that are blocked, and the CIDRs of its networks."""
        if prefixes != self._cidrs or self._blocked is None:
            self._cidrs = prefixes
            self._prefixes = [*map(_prefix, prefixes)]
            touched = set(self._bare)
        else:
            touched = {*blocked}.symmetric_difference(self._blocked)
        self._blocked = blocked
        return {Key(host, name) for name in touched for host in self._bare.get(name, ())}

    def set_zone(
        self,
        host: str,
        apex: str,
        names: Mapping[str, tuple[Address, ...]],
        touched: Iterable[str],
        expires: int,
    ) -> set[Key]:
        """A host's zone has other addresses at the `touched` names; `names` has all of them.

        `expires`: Unix seconds until which a record may answer if nothing replaces it.
        """
        self._zones[host] = _Zone(apex, names, expires)
        keys = set()
        for name in touched:
            keys.add(Key(host, name))
            if "." in name:
                continue
            hosts = self._bare.setdefault(name, set())
            before = len(hosts)
            if name in names:
                hosts.add(host)
            else:
                hosts.discard(host)
            if len(hosts) != before or len(hosts) > 1:
                keys |= {Key(other, name) for other in hosts}
            if not hosts:
                del self._bare[name]
        return keys

    def first_name(self, key: Key) -> str:
        """The name of a key's first record."""
        return f"{key.name}.{self._zones[key.host].apex}"

    def records(self, key: Key) -> tuple[HostRecord, ...]:
        """What a key's names answer."""
        zone = self._zones[key.host]
        if (held := zone.names.get(key.name)) is None:
            return ()
        first, trust = self.first_name(key), _trust(key)
        bare = self._reachable(key.name, held) if self._speaks(key) else ()
        names = (first, key.name) if bare == held else (first,)
        whole = HostRecord(names=names, addresses=_addresses(held, zone.expires), trust=trust)
        if not bare or bare == held:
            return (whole,)
        rest = HostRecord(names=(key.name,), addresses=_addresses(bare, zone.expires), trust=trust)
        return whole, rest

    def left_out(self, host: str, most: int) -> dict[str, str]:
        """Bare names that a host's owner gave and that do not answer, at most so many: why."""
        zone = self._zones.get(host)
        names = zone.names.items() if zone is not None else ()
        found = ((name, self._why_not(name, held)) for name, held in names if "." not in name)
        return dict(islice((one for one in found if one[1]), most))

    def _speaks(self, key: Key) -> bool:
        """Whether the bare name answers as this host says: others may say the same."""
        hosts = self._bare.get(key.name, {key.host})
        return key.host == min(hosts)

    def _is_disputed(self, name: str) -> bool:
        """Whether hosts that have the bare name say different addresses."""
        return len({self._zones[host].names[name] for host in self._bare.get(name, ())}) > 1

    def _reachable(self, name: str, held: tuple[Address, ...]) -> tuple[Address, ...]:
        """The addresses of a bare name; none: it does not answer."""
        if (
            "." in name
            or self._blocked is None
            or name in self._blocked
            or name not in self._bare
            or self._is_disputed(name)
        ):
            return ()
        return tuple(one for one in held if not self._is_own(one))

    def _why_not(self, name: str, held: tuple[Address, ...]) -> str:
        if self._blocked is None:
            return "the names of this host are not known yet"
        if name in self._blocked:
            return "this host has or reserves the name"
        if self._is_disputed(name):
            return f"several hosts have it: {', '.join(sorted(self._bare[name]))}"
        if not self._reachable(name, held):
            return "its addresses are in this host's own networks"
        return ""

    def _is_own(self, address: Address) -> bool:
        return any(prefix.has(address) for prefix in self._prefixes)


def _trust(key: Key) -> Trust:
    return "guest" if "." in key.name else "owner"


def _addresses(held: tuple[Address, ...], expires: int) -> tuple[HostAddress, ...]:
    return tuple([HostAddress(address=one, expires=expires, network="") for one in held])


def _prefix(cidr: str) -> _Prefix:
    network = ip_network(cidr)
    bits = network.max_prefixlen
    shift = bits - network.prefixlen
    return _Prefix(bits // 8, int(network.network_address) >> shift, shift)
