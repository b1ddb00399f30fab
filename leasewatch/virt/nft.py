"""The nftables table of a network, as libnftables JSON (libnftables-json(5)). Pure.

Other tables are never touched; whether they would drop our traffic is `firewall.py`'s question.
"""

from __future__ import annotations

from leasewatch.virt.network import Network, bridge_name

Json = dict[str, object]


def table_name(name: str) -> str:
    """`pyvirt_NAME`; names have no underscores, so two networks never share a table."""
    return f"pyvirt_{name.replace('-', '_')}"


def remove(name: str) -> Json:
    """One transaction that leaves no table of this network, whether there was one or not."""
    return {"nftables": _removal(name)}


def install(network: Network) -> Json:
    """One transaction that makes the table, in place of any earlier one."""
    table = {"family": "inet", "table": table_name(network.name)}
    chains = [
        {**table, "name": "forward", "type": "filter", "hook": "forward", "prio": 0},
        {**table, "name": "postrouting", "type": "nat", "hook": "postrouting", "prio": 100},
    ]
    rules = [{**table, "chain": "forward", "expr": expr} for expr in _forward(network)]
    if network.mode == "nat":
        rules += [{**table, "chain": "postrouting", "expr": expr} for expr in _masquerade(network)]
    else:
        del chains[1]
    commands = [
        *_removal(network.name),
        {"add": {"table": {"family": "inet", "name": table["table"]}}},
        *({"add": {"chain": {**chain, "policy": "accept"}}} for chain in chains),
        *({"add": {"rule": rule}} for rule in rules),
    ]
    return {"nftables": commands}


def _removal(name: str) -> list[Json]:
    table: Json = {"table": {"family": "inet", "name": table_name(name)}}
    return [{"add": table}, {"delete": table}]


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


def _masquerade(network: Network) -> list[list[Json]]:
    away = _meta("oifname", bridge_name(network.name), op="!=")
    subnets = (("ip", network.subnet), ("ip6", network.subnet6))
    return [[_source(family, subnet), away, {"masquerade": None}] for family, subnet in subnets]


_ACCEPT: Json = {"accept": None}
_REJECT: Json = {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}


def _meta(key: str, value: str, op: str = "==") -> Json:
    return {"match": {"op": op, "left": {"meta": {"key": key}}, "right": value}}


def _ct(key: str, values: list[str]) -> Json:
    return {"match": {"op": "in", "left": {"ct": {"key": key}}, "right": values}}


def _source(family: str, subnet: str) -> Json:
    address, _, length = subnet.partition("/")
    field = {"payload": {"protocol": family, "field": "saddr"}}
    prefix = {"prefix": {"addr": address, "len": int(length)}}
    return {"match": {"op": "==", "left": field, "right": prefix}}
