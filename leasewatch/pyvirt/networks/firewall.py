"""Would another ruleset drop what guests need? A judgement over `nft -j list ruleset`. Pure.

An accept in our own table does not stop a drop in another, so the owner has to open the other.
Each kind of packet is walked through every foreign base chain. What cannot be known (an address, a
named set, a rate limit) neither accepts nor drops: a policy of drop then counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from leasewatch.pyvirt.defined.network import Mode

Rule = Sequence[Mapping[str, Any]]
"""The `expr` of a rule: matches and statements of libnftables-json(5)."""

_ELSEWHERE = "<the outside>"  # an interface that no rule names


class Finding(msgspec.Struct, frozen=True):
    """What a foreign chain drops, and the commands that allow it."""

    owner: str
    """Docker, ufw, firewalld, or the table."""
    chain: str
    """`FAMILY TABLE CHAIN`, or `table NAME`."""
    drops: tuple[str, ...]
    """Empty: that is not known."""
    commands: tuple[str, ...]


@dataclass(frozen=True)
class _Packet:
    what: str
    hook: str
    family: str
    known: Mapping[str, str | int]


@dataclass
class _Chain:
    family: str
    table: str
    name: str
    hook: str = ""
    policy: str = "accept"
    rules: list[Rule] = field(default_factory=list)


_Chains = dict[tuple[str, str, str], _Chain]


def judge(ruleset: Iterable[Mapping[str, Any]], bridge: str, mode: Mode) -> list[Finding]:
    """What would be dropped on `bridge`, one finding per foreign base chain."""
    chains = _read(ruleset)
    findings = []
    for chain in chains.values():
        drops = [
            packet.what
            for packet in _packets(bridge, mode)
            if packet.hook == chain.hook
            and chain.family in (packet.family, "inet")
            and (_walk(chain, packet, chains) or chain.policy) == "drop"
        ]
        if drops:
            owner, commands = _owner(chain, chains, bridge)
            where = f"{chain.family} {chain.table} {chain.name}"
            findings.append(Finding(owner, where, tuple(dict.fromkeys(drops)), commands))
    return findings


def _packets(bridge: str, mode: Mode) -> list[_Packet]:
    def to_host(what: str, family: str, protocol: str, port: int) -> _Packet:
        known = {"iifname": bridge, "l4proto": protocol, "state": "new"}
        return _Packet(what, "input", family, {**known, "dport": port})

    packets = [
        to_host("DHCP", "ip", "udp", 67),
        to_host("DHCPv6", "ip6", "udp", 547),
        to_host("DNS", "ip", "udp", 53),
        to_host("DNS", "ip6", "udp", 53),
    ]
    if mode == "isolated":
        return packets
    for family, name in (("ip", "IPv4"), ("ip6", "IPv6")):
        out = {"iifname": bridge, "oifname": _ELSEWHERE, "l4proto": "tcp", "state": "new"}
        back = {"iifname": _ELSEWHERE, "oifname": bridge, "l4proto": "tcp", "state": "established"}
        packets += [_Packet(f"forwarding {name}", "forward", family, end) for end in (out, back)]
    return packets


def _read(ruleset: Iterable[Mapping[str, Any]]) -> _Chains:
    """The chains of all tables but ours, with their rules in order."""
    chains: _Chains = {}
    for entry in ruleset:
        if (made := entry.get("chain")) and not made["table"].startswith("pyvirt_"):
            hook = made.get("hook", "") if made.get("type") == "filter" else ""
            key = (made["family"], made["table"], made["name"])
            chains[key] = _Chain(*key, hook, made.get("policy", "accept"))
        elif rule := entry.get("rule"):
            chain = chains.get((rule["family"], rule["table"], rule["chain"]))
            if chain is not None:
                chain.rules.append(rule.get("expr", []))
    return chains


def _walk(chain: _Chain, packet: _Packet, chains: _Chains, depth: int = 0) -> str | None:
    """`accept`, `drop`, or None where the chain's end is reached (nft's limit is 16 jumps)."""
    for rule in chain.rules if depth < 16 else ():
        verdict = _statements(rule, packet)
        for kind in ("jump", "goto"):
            if verdict and (target := verdict.get(kind)):
                called = chains.get((chain.family, chain.table, target["target"]))
                result = _walk(called, packet, chains, depth + 1) if called else None
                if result or kind == "goto":
                    return result
        if verdict is None or "jump" in verdict:
            continue
        if "return" in verdict:
            return None
        return "accept" if "accept" in verdict else "drop"
    return None


def _statements(rule: Rule, packet: _Packet) -> Mapping[str, Any] | None:
    """The verdict that a rule gives for certain: {"accept": None}, {"jump": …}; None without."""
    for part in rule:
        if "match" in part:
            if not _matches(part["match"], packet):
                return None
        elif "vmap" in part:
            return _mapped(part["vmap"], packet)
        elif not _VERDICTS.isdisjoint(part):
            return part
        elif _DOUBTFUL.intersection(part):
            return None
    return None


_VERDICTS = frozenset({"accept", "drop", "reject", "jump", "goto", "return"})
_DOUBTFUL = frozenset({"limit", "quota", "ct count", "xt", "set", "meter", "queue"})


def _mapped(vmap: Mapping[str, Any], packet: _Packet) -> Mapping[str, Any] | None:
    data = vmap["data"]
    value = _value(vmap["key"], packet)
    if value is None or not isinstance(data, dict) or "set" not in data:
        return None
    for key, verdict in data["set"]:
        if _equal(value, key):
            found: Mapping[str, Any] = verdict
            return found
    return None


def _matches(match: Mapping[str, Any], packet: _Packet) -> bool:
    """Whether the packet certainly matches."""
    value = _value(match["left"], packet)
    if value is None or match["op"] not in ("==", "in", "!="):
        return False
    known = not isinstance(match["right"], str) or not match["right"].startswith("@")
    return known and _equal(value, match["right"]) == (match["op"] != "!=")


def _value(left: object, packet: _Packet) -> str | int | None:
    """What the packet has there; None where that is not known."""
    if not isinstance(left, dict):
        return None
    if "payload" in left:
        return _payload(left["payload"], packet)
    key = str((left.get("meta") or left.get("ct") or {}).get("key"))
    if key == "nfproto":
        return {"ip": "ipv4", "ip6": "ipv6"}[packet.family]
    return packet.family if key == "protocol" else packet.known.get(key)


def _payload(payload: Mapping[str, Any], packet: _Packet) -> str | int | None:
    protocol, name = payload.get("protocol"), payload.get("field")
    if protocol in ("th", packet.known["l4proto"]):
        return packet.known.get(name or "")
    if (protocol, name) in (("ip", "protocol"), ("ip6", "nexthdr")):
        return packet.known["l4proto"]
    return None


_PROTOCOLS = {6: "tcp", 17: "udp"}  # nft lists numbers where there is no /etc/protocols


def _equal(value: str | int, right: object) -> bool:
    if isinstance(right, dict):
        if "range" in right:
            low, high = right["range"]
            return isinstance(value, int) and isinstance(low, int) and low <= value <= high
        right = right.get("set", [])
    if isinstance(right, list):
        return any(_equal(value, each) for each in right)
    if isinstance(right, str) and right.endswith("*"):
        return str(value).startswith(right[:-1])
    return value == right or (isinstance(right, int) and value == _PROTOCOLS.get(right))


def _owner(chain: _Chain, chains: _Chains, bridge: str) -> tuple[str, tuple[str, ...]]:
    """Whose chain it is, and how its owner is told to let the bridge through."""
    beside = {
        name for family, table, name in chains if (family, table) == (chain.family, chain.table)
    }
    if chain.table == "firewalld":
        return "firewalld", (f"firewall-cmd --zone=trusted --change-interface={bridge}",)
    if any(re.match(r"ufw6?-", name) for name in beside):
        if chain.hook == "input":
            return "ufw", (f"ufw allow in on {bridge}",)
        return "ufw", (f"ufw route allow in on {bridge}", f"ufw route allow out on {bridge}")
    if "DOCKER-USER" in beside and chain.hook == "forward":
        tool = "ip6tables" if chain.family == "ip6" else "iptables"
        return "Docker", tuple(f"{tool} -I DOCKER-USER -{d} {bridge} -j ACCEPT" for d in "io")
    keys = ["iifname"] if chain.hook == "input" else ["iifname", "oifname"]
    where = f"{chain.family} {chain.table} {chain.name}"
    rules = tuple(f"nft insert rule {where} {key} {bridge} accept" for key in keys)
    return f"table {chain.family} {chain.table}", rules
