"""What keeps packets for guests from their network's bridge: rules, routes, own addresses.

The bridge's route is in table main. A rule before main may lead to a table that has the guests'
addresses, or refuse them (ip-rule(8)); the kernel is asked where single addresses go. What a rule
behind main leads to is free. pyroute2's import costs 180 ms.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import msgspec
import netaddr
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

_MAIN, _LOCAL = 254, 255  # tables, linux/rtnetlink.h
_MATCH = 0x3000  # RTM_F_LOOKUP_TABLE, RTM_F_FIB_MATCH: say which table answers, by which route
_FR_ACT_TO_TBL, _FIB_RULE_INVERT = 1, 2  # linux/fib_rules.h
_NONE = 0xFFFFFFFF
_SELECTORS = ("FRA_FWMARK", "FRA_IIFNAME", "FRA_OIFNAME", "FRA_UID_RANGE", "FRA_IP_PROTO")
_REFUSED = {errno.EACCES: "forbids", errno.EINVAL: "drops"}


class Diversion(msgspec.Struct, frozen=True):
    """Why an address of a subnet would not be, or is not, reached on the bridge."""

    what: str
    hint: str = ""
    """What to type against it."""


class Diversions:
    """The rules and routes as they are when it is entered."""

    def __enter__(self) -> Self:
        self._ipr = IPRoute()
        self._devices = {
            link["index"]: link.get_attr("IFLA_IFNAME") for link in self._ipr.get_links()
        }
        self._earlier = {family: self._earlier_tables(family) for family in _FAMILIES.values()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ipr.close()

    def find(self, subnet: str, bridge: str = "") -> Diversion | None:
        """What diverts packets to guests of `subnet`; `bridge` is theirs where it is there.

        Without one the routes of table main are not asked for: see `subnets.clash`.
        """
        network = netaddr.IPNetwork(subnet)
        for address in sorted(set(self._samples(network, bridge))):
            found = self._ask(netaddr.IPAddress(address, network.version), network, bridge)
            if found is not None:
                return found
        return None

    def _earlier_tables(self, family: int) -> dict[int, int]:
        """The tables that rules ask before main, with their rule's priority."""
        rules = [
            (rule.get_attr("FRA_PRIORITY") or 0, rule.get_attr("FRA_TABLE"), rule)
            for rule in self._ipr.get_rules(family=family)
            if rule["action"] == _FR_ACT_TO_TBL
        ]
        mains = [priority for priority, table, rule in rules if table == _MAIN and _is_open(rule)]
        main = min(mains, default=_NONE)
        return {table: priority for priority, table, _ in reversed(rules) if priority < main}

    def _samples(self, network: netaddr.IPNetwork, bridge: str) -> Iterator[int]:
        """The ends of what guests can have, and of each other route's part of that."""
        family = _FAMILIES[network.version]
        first, last = network.first + 2, network.last - 1
        yield from (first, last)
        tables = {*self._earlier[family], _MAIN}
        for route in self._ipr.get_routes(family=family):
            text = route.get_attr("RTA_DST")
            if text is None or route.get_attr("RTA_TABLE") not in tables:
                continue
            if self._devices.get(route.get_attr("RTA_OIF")) != bridge:
                routed = netaddr.IPNetwork(f"{text}/{route['dst_len']}")
                low, high = max(first, routed.first), min(last, routed.last)
                if low <= high:
                    yield from (low, high)

    def _ask(
        self, address: netaddr.IPAddress, network: netaddr.IPNetwork, bridge: str
    ) -> Diversion | None:
        family = _FAMILIES[network.version]
        try:
            (answer,) = self._ipr.route("get", dst=str(address), family=family, flags=_MATCH)
        except NetlinkError as error:
            return _unanswered(error.code, address, bridge)
        name = self._devices.get(answer.get_attr("RTA_OIF"), "?")
        table = answer.get_attr("RTA_TABLE")
        rule = self._earlier[family].get(table)
        if name == bridge:
            return None
        if table == _LOCAL:
            return Diversion(f"{address} is an address of the host's own")
        if table == _MAIN and bridge and answer["dst_len"] >= network.prefixlen:
            return Diversion(f"the host's route sends {address} to {name}")
        if rule is None:
            return None
        before = f"ip -{network.version} rule add to {network} lookup main priority {rule - 1}"
        what = f"ip rule {rule} sends {address} to {name} (table {table})"
        return Diversion(what, before)


def _unanswered(code: int, address: netaddr.IPAddress, bridge: str) -> Diversion | None:
    """An address without a route is free, but not one whose bridge is there."""
    if code in _REFUSED:
        return Diversion(f"an ip rule or route {_REFUSED[code]} {address}")
    return Diversion(f"{address} has no route: {os.strerror(code)}") if bridge else None


_FAMILIES = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}


def _is_open(rule: Any) -> bool:
    """Whether it holds for packets to any guest: wg-quick(8) has one for main's longer routes."""
    narrow = rule["src_len"] or rule["dst_len"] or rule["flags"] & _FIB_RULE_INVERT
    suppressed = rule.get_attr("FRA_SUPPRESS_PREFIXLEN")
    few = suppressed not in (None, _NONE) and suppressed >= 16  # the shortest of ours
    return not (narrow or few or any(rule.get_attr(name) for name in _SELECTORS))
