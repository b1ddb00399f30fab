"""What keeps packets for guests from their network's bridge: rules, routes, own addresses.

The bridge's route is in table main. A rule before main may lead to a table that has the guests'
addresses, or refuse them (ip-rule(8)). The kernel is asked where single addresses go. What a rule
behind main leads to is free.
"""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any

import msgspec

from leasewatch.pyvirt import ip
from leasewatch.pyvirt.defined.subnets import Taken
from nss_pyvirt.errors import UserError

_MAIN, _LOCAL = "254", "255"  # tables, linux/rtnetlink.h
_REFUSED = {os.strerror(errno.EACCES): "forbids", os.strerror(errno.EINVAL): "drops"}
_NARROWS = ("dst", "not", "fwmark", "iif", "oif", "uid_start", "ipproto")
"""What makes a rule one for some packets only, besides its source."""
_SHORTEST = 16
"""Prefix length of the largest subnet that a network may have."""
_Network = IPv4Network | IPv6Network
_Address = IPv4Address | IPv6Address


class Diversion(msgspec.Struct, frozen=True):
    """Why an address of a subnet would not be, or is not, reached on the bridge."""

    what: str
    hint: str = ""
    """What to type against it."""


class Diversions:
    """The rules and routes of IPv4 or IPv6 as they are now. UserError where ip(8) cannot tell.

    It works in the background until they are needed.
    """

    def __init__(self, version: int) -> None:
        self._version = version
        self._question = ip.Question(version, ["rule show", "route show table all"])

    @functools.cached_property
    def _rules_and_routes(self) -> tuple[dict[str, int], list[tuple[str, str, _Network]]]:
        """The tables that rules ask before main, and the routes of these and of main."""
        rules, routes = self._question.answers()
        if isinstance(rules, str) or isinstance(routes, str):
            raise UserError(f"cannot list the host's IPv{self._version} rules and routes")
        earlier = _earlier_tables(rules)
        tables = {*earlier, _MAIN}
        return earlier, [
            (route.get("table", _MAIN), route.get("dev", ""), ip_network(route["dst"]))
            for route in routes
            if route["dst"] != "default" and route.get("table", _MAIN) in tables
        ]

    @property
    def _earlier(self) -> dict[str, int]:
        return self._rules_and_routes[0]

    @property
    def _routes(self) -> list[tuple[str, str, _Network]]:
        return self._rules_and_routes[1]

    def routed(self, except_device: str = "") -> list[Taken]:
        """The subnets that table main routes, without default routes."""
        return [
            Taken(str(subnet), f"the host's route via {device or '?'}")
            for table, device, subnet in self._routes
            if table == _MAIN and device != except_device
        ]

    def find(self, subnet: str, bridge: str = "") -> Diversion | None:
        """What diverts packets to guests of `subnet`; `bridge` is theirs, empty: not made yet.

        Without one the routes of table main count for nothing: `subnets.clash` looks at those.
        """
        return self.look(subnet, bridge)()

    def look(self, subnet: str, bridge: str) -> Callable[[], Diversion | None]:
        """Begin to `find`; call what this returns for the result."""
        network = ip_network(subnet)
        addresses = [network[each] for each in sorted(set(self._samples(network, bridge)))]
        asked = [f"route get fibmatch {each}" for each in addresses]
        question = ip.Question(self._version, asked)

        def found() -> Diversion | None:
            judged = (
                self._judge(answer, address, network, bridge)
                for address, answer in zip(addresses, question.answers(), strict=True)
            )
            return next(filter(None, judged), None)

        return found

    def _samples(self, network: _Network, bridge: str) -> Iterator[int]:
        """The ends of what guests can have, and of each other route's part of that.

        They are counted from the first address of `network`.
        """
        base, first, last = int(network[0]), 2, network.num_addresses - 2
        yield from (first, last)
        for _, device, routed in self._routes:
            low, high = max(first, int(routed[0]) - base), min(last, int(routed[-1]) - base)
            if low <= high and device != bridge:
                yield from (low, high)

    def _judge(
        self, answer: ip.Answer | str, address: _Address, network: _Network, bridge: str
    ) -> Diversion | None:
        """`answer` has the route that the kernel takes for packets to `address`, or says why none.

        An address without a route is free, unless its bridge is there.
        """
        if isinstance(answer, str):
            refused = _REFUSED.get(answer)
            what = f"an ip rule or route {refused} {address}"
            if refused is None:
                what = f"{address} has no route: {answer}"
            return Diversion(what) if refused or bridge else None
        (route,) = answer
        name, table = route.get("dev", "?"), route.get("table", _MAIN)
        if name == bridge:
            return None
        if table == _LOCAL:
            return Diversion(f"{address} is one of the host's own addresses")
        length = 0 if route["dst"] == "default" else ip_network(route["dst"]).prefixlen
        if table == _MAIN and bridge and length >= network.prefixlen:
            return Diversion(f"the host's route sends {address} to {name}")
        priority = self._earlier.get(table)
        if priority is None:
            return None
        before = f"ip -{self._version} rule add to {network} lookup main priority {priority - 1}"
        return Diversion(f"ip rule {priority} sends {address} to {name} (table {table})", before)


def both_diversions() -> tuple[Diversions, Diversions]:
    """Those of IPv4 and of IPv6."""
    return Diversions(4), Diversions(6)


def _earlier_tables(rules: Sequence[dict[str, Any]]) -> dict[str, int]:
    """The tables that rules ask before main, with the priority of the first such rule."""
    lookups = [rule for rule in rules if "table" in rule and "action" not in rule]
    mains = [rule["priority"] for rule in lookups if rule["table"] == _MAIN and _is_open(rule)]
    earlier = [rule for rule in lookups if not mains or rule["priority"] < min(mains)]
    return {rule["table"]: rule["priority"] for rule in reversed(earlier)}


def _is_open(rule: dict[str, Any]) -> bool:
    """Whether it holds for packets to any guest: wg-quick(8) has one for main's longer routes."""
    few = rule.get("suppress_prefixlen", -1) >= _SHORTEST
    return rule["src"] == "all" and not few and not any(key in rule for key in _NARROWS)
