"""The nftables table of a network, as libnftables JSON (libnftables-json(5)). Pure.

Other tables are never touched; whether they would drop our traffic is `firewall.py`'s question.
"""

from __future__ import annotations

from leasewatch.pyvirt.defined.network import Network, bridge_name, table_name

Json = dict[str, object]


def remove(name: str) -> Json:
    """One transaction that leaves no table of this network, whether there was one or not."""
    return {"nftables": _removal(name)}


def install(network: Network) -> Json:
    """One transaction that makes the table, in place of any earlier one."""
    table = {"family": "inet", "table": table_name(network.name)}
    chains = {
        "sources": ({"type": "filter", "hook": "forward", "prio": -1}, _sources(network)),
        "forward": ({"type": "filter", "hook": "forward", "prio": 0}, _forward(network)),
        "unheard": ({"type": "filter", "hook": "input", "prio": -1}, _unheard(network)),
    }
    if network.mode == "nat":
        chains["hops"] = ({"type": "filter", "hook": "forward", "prio": -1}, _hops(network))
        nat = {"type": "nat", "hook": "postrouting", "prio": 100}
        chains["postrouting"] = (nat, _masquerade(network))
    if not network.host_access:
        chains["input"] = ({"type": "filter", "hook": "input", "prio": 0}, _input(network))
    commands = [
        *_removal(network.name),
        {"add": {"table": {"family": "inet", "name": table["table"]}}},
        *(
            {"add": {"set": {**table, **one, "flags": ["timeout"]}}}
            for one in _SETS
            if "hops" in chains
        ),
        *(
            {"add": {"chain": {**table, "name": name, **hook, "policy": "accept"}}}
            for name, (hook, _) in chains.items()
        ),
        *(
            {"add": {"rule": {**table, "chain": name, "expr": expr}}}
            for name, (_, rules) in chains.items()
            for expr in rules
        ),
    ]
    return {"nftables": commands}


def _removal(name: str) -> list[Json]:
    table: Json = {"table": {"family": "inet", "name": table_name(name)}}
    return [{"add": table}, {"delete": table}]


def _sources(network: Network) -> list[list[Json]]:
    """Guests send out from the network's own addresses only.

    Ahead of every `forward` chain, another network's too: a reject would answer a forged source.
    """
    bridge = bridge_name(network.name)
    away = [_meta("iifname", bridge), _meta("oifname", bridge, op="!=")]
    foreign = [_source(*each, op="!=") for each in _subnets(network)]
    return [[*away, source, _DROP] for source in foreign]


def _hops(network: Network) -> list[list[Json]]:
    """Bounds how many new neighbours a guest has the host look for outside.

    It may send to each address of the host's own networks; the kernel's table holds 1,024. What
    leaves by a tunnel has no neighbours there.
    """
    bridge = bridge_name(network.name)
    away = [_meta("iifname", bridge), _meta("oifname", bridge, op="!="), _meta("oiftype", "ether")]
    guest: Json = {"payload": {"protocol": "ether", "field": "saddr"}}
    over: Json = {"limit": {"rate": 4, "per": "second", "burst": 128, "inv": True}}
    rules: list[list[Json]] = []
    for family, known in (("ip", "@hops4"), ("ip6", "@hops6")):
        hop: Json = {"concat": [guest, {"rt": {"key": "nexthop", "family": family}}]}
        near = [*away, _meta("nfproto", {"ip": "ipv4", "ip6": "ipv6"}[family])]
        rules += [
            [*near, _match(hop, known), _set("update", known, hop), _ACCEPT],
            [*near, _set("update", "@seekers", guest, over), _DROP],
            [*near, _set("add", known, hop)],
        ]
    return rules


def _forward(network: Network) -> list[list[Json]]:
    """Guests talk among themselves; out in mode nat; in only what answers, or what DNAT sent."""
    bridge = bridge_name(network.name)
    among = [_meta("iifname", bridge), _meta("oifname", bridge), _ACCEPT]
    if network.mode == "isolated":
        return [among, [_meta("iifname", bridge), _REJECT], [_meta("oifname", bridge), _REJECT]]
    return [
        among,
        [_meta("oifname", bridge), _ct("state", ["established", "related"]), _ACCEPT],
        [_meta("oifname", bridge), _ct("status", ["dnat"]), _ACCEPT],
        [_meta("oifname", bridge), _REJECT],
    ]


def _unheard(network: Network) -> list[list[Json]]:
    """What the host ignores on its bridge, from any sender.

    By a router's advertisement or a redirect a card could speak in another's MAC, in any of many
    options. So it could by a relay of DHCPv6, which says what MAC a client has (RFC 6939); a
    message in fragments could hide one.
    """
    here = _meta("iifname", bridge_name(network.name))
    routers: Json = {"payload": {"protocol": "icmpv6", "field": "type"}}
    kind: Json = {"payload": {"base": "th", "offset": 64, "len": 8}}
    more: Json = {"exthdr": {"name": "frag", "field": "more-fragments"}}
    return [
        [here, _match(routers, {"set": ["nd-router-advert", "nd-redirect"]}), _DROP],
        [here, _port("udp", [547]), _match(kind, {"set": [12, 13]}), _DROP],
        [here, _port("udp", [547]), _match(more, 1), _DROP],
    ]


def _input(network: Network) -> list[list[Json]]:
    """Of the host guests reach DHCP, DNS and ICMP, and what the host itself has asked them."""
    guests = _meta("iifname", bridge_name(network.name))
    open_ports = {"udp": [53, 67, 547], "tcp": [53]}
    return [
        [guests, _ct("state", ["established", "related"]), _ACCEPT],
        [guests, _meta("l4proto", {"set": ["icmp", "ipv6-icmp"]}), _ACCEPT],
        *([guests, _port(*each), _ACCEPT] for each in open_ports.items()),
        [guests, _REJECT],
    ]


def _masquerade(network: Network) -> list[list[Json]]:
    away = _meta("oifname", bridge_name(network.name), op="!=")
    return [[_source(*each), away, {"masquerade": None}] for each in _subnets(network)]


def _subnets(network: Network) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("ip", network.subnet), ("ip6", network.subnet6)


_SETS: tuple[Json, ...] = (
    {"name": "hops4", "type": ["ether_addr", "ipv4_addr"], "timeout": 30, "size": 65535},
    {"name": "hops6", "type": ["ether_addr", "ipv6_addr"], "timeout": 30, "size": 65535},
    {"name": "seekers", "type": "ether_addr", "timeout": 120, "size": 4096},
)
_DROP: Json = {"drop": None}
_ACCEPT: Json = {"accept": None}
_REJECT: Json = {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}


def _set(verb: str, name: str, element: Json, *statements: Json) -> Json:
    told: Json = {"op": verb, "elem": element, "set": name}
    return {"set": told | ({"stmt": list(statements)} if statements else {})}


def _match(left: Json, right: Json | str | int, op: str = "==") -> Json:
    return {"match": {"op": op, "left": left, "right": right}}


def _meta(key: str, value: str | Json, op: str = "==") -> Json:
    return {"match": {"op": op, "left": {"meta": {"key": key}}, "right": value}}


def _port(protocol: str, ports: list[int]) -> Json:
    left = {"payload": {"protocol": protocol, "field": "dport"}}
    return {"match": {"op": "==", "left": left, "right": {"set": ports}}}


def _ct(key: str, values: list[str]) -> Json:
    return {"match": {"op": "in", "left": {"ct": {"key": key}}, "right": values}}


def _source(family: str, subnet: str, op: str = "==") -> Json:
    address, _, length = subnet.partition("/")
    field = {"payload": {"protocol": family, "field": "saddr"}}
    prefix = {"prefix": {"addr": address, "len": int(length)}}
    return {"match": {"op": op, "left": field, "right": prefix}}
