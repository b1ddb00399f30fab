"""Find the rulesets of other programs that may drop guests' packets. Pure.

An accept in our own table does not stop a drop in another, so the owner has to open the other. A
chain that drops by default is reported until it, or a chain that it leads to, names the bridge.
What else its rules accept is not worked out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from leasewatch.pyvirt.defined.network import Mode

Rule = Sequence[Mapping[str, Any]]
"""The `expr` of a rule: matches and statements of libnftables-json(5)."""

_HOOKS: Mapping[Mode, tuple[str, ...]] = {
    "nat": ("input", "forward"),
    "isolated": ("input",),
    "bridged": ("forward",),  # where bridge-nf gives frames to these rules
}
"""By mode, the hooks that guests' packets pass."""
_KEYS = {"input": ("iifname",), "forward": ("iifname", "oifname")}
"""By hook, the matches by which a rule names the bridge."""
_UNCONDITIONAL = {"counter", "log", "drop", "reject"}
_HARMLESS = re.compile(r"#.*|\*.*|COMMIT|:\S+ (ACCEPT|-)( .*)?|\s*")
"""The lines of a table without rules."""
_ELSEWHERE = re.compile(r"-A .* -j (DROP|REJECT)\b.*")
_NEXT = re.compile(rb'"(?:jump|goto)":\{"target":"([^"]+)"')


class Finding(msgspec.Struct, frozen=True):
    """A ruleset that may drop packets, and the commands that allow them."""

    owner: str
    """Docker, ufw, firewalld, iptables-legacy, or the table."""
    where: str
    """`chain FAMILY TABLE CHAIN`, or `table NAME`."""
    commands: tuple[str, ...]


class _Chain(msgspec.Struct):
    family: str
    table: str
    name: str
    hook: str
    """Empty for a chain that is no base chain of type filter."""
    policy: str
    rules: list[Rule]

    def drops_by_default(self) -> bool:
        refuses = (
            all(_UNCONDITIONAL.issuperset(part) for part in rule)
            and not {"drop", "reject"}.isdisjoint(rule[-1])
            for rule in self.rules
        )
        return self.policy == "drop" or any(refuses)


_Chains = dict[str, _Chain]


def judge(ruleset: Iterable[Mapping[str, Any]], bridge: str, mode: Mode) -> list[Finding]:
    """One finding for each foreign base chain that may drop packets of `bridge`.

    `ruleset` is what `nft -j list ruleset` prints.
    """
    hooks = _HOOKS[mode]
    return [
        _finding(chain, chains, bridge)
        for chains in _tables(ruleset)
        for chain in chains.values()
        if chain.hook in hooks and chain.drops_by_default() and not _is_open(chain, chains, bridge)
    ]


def _tables(ruleset: Iterable[Mapping[str, Any]]) -> Iterable[_Chains]:
    """The chains of each table of IP but ours, with their rules in order."""
    tables: dict[tuple[str, str], _Chains] = {}
    for entry in ruleset:
        if made := entry.get("chain"):
            hook = made.get("hook", "") if made.get("type") == "filter" else ""
            policy = made.get("policy", "accept")
            chain = _Chain(made["family"], made["table"], made["name"], hook, policy, [])
            if chain.family in {"ip", "ip6", "inet"} and not chain.table.startswith("pyvirt_"):
                tables.setdefault((chain.family, chain.table), {})[chain.name] = chain
        elif rule := entry.get("rule"):
            chains = tables.get((rule["family"], rule["table"]), {})
            if rule["chain"] in chains and rule.get("expr"):
                chains[rule["chain"]].rules.append(rule["expr"])
    return tables.values()


def _is_open(chain: _Chain, chains: _Chains, bridge: str) -> bool:
    """Whether rules name the bridge in each direction, and refuse nothing."""
    rules = [rule for each in _led_to(chain, chains) for rule in each.rules]
    # firewalld accepts all answers.
    keys = ("iifname",) if chain.table == "firewalld" else _KEYS[chain.hook]
    return all(any(_lets_in(rule, key, bridge) for rule in rules) for key in keys)


def _led_to(chain: _Chain, chains: _Chains) -> list[_Chain]:
    """The chain and those that its rules jump or go to."""
    found = [chain]
    for each in found:
        names = map(bytes.decode, _NEXT.findall(msgspec.json.encode(each.rules)))
        found += (chains[name] for name in dict.fromkeys(names) if chains[name] not in found)
    return found


def _lets_in(rule: Rule, key: str, bridge: str) -> bool:
    """Whether a rule accepts the bridge's packets, or leads them elsewhere, by interfaces alone."""
    fits = False
    for part in rule:
        if part.keys() & {"drop", "reject"}:
            return False
        if condition := part.get("match") or part.get("vmap"):
            left, right = condition.get("left") or condition["key"], condition.get("right")
            about = left.get("meta", {}).get("key") if isinstance(left, dict) else ""
            if about not in _KEYS["forward"] or condition.get("op", "in") not in {"==", "in"}:
                return False
            right = condition["data"] if right is None else right
            names = right.get("set", []) if isinstance(right, dict) else [right]
            first = (str(name[0] if isinstance(name, list) else name) for name in names)
            fits |= about == key and any(_fits(name, bridge) for name in first)
    return fits


def _fits(name: str, bridge: str) -> bool:
    return bridge.startswith(name[:-1]) if name.endswith("*") else name == bridge


def _finding(chain: _Chain, chains: _Chains, bridge: str) -> Finding:
    """The chain's owner, and the command that makes it let the bridge through."""
    where = f"chain {chain.family} {chain.table} {chain.name}"
    if chain.table == "firewalld":
        command = f"firewall-cmd --zone=trusted --change-interface={bridge}"
        return Finding("firewalld", where, (command,))
    if any(re.match(r"ufw6?-", name) for name in chains):
        allow = [f"allow in on {bridge}"]
        if chain.hook == "forward":
            allow = [f"route allow {direction} on {bridge}" for direction in ("in", "out")]
        return Finding("ufw", where, tuple(f"ufw {each}" for each in allow))
    if "DOCKER-USER" in chains and chain.hook == "forward":
        tool = "ip6tables" if chain.family == "ip6" else "iptables"
        commands = tuple(f"{tool} -I DOCKER-USER -{d} {bridge} -j ACCEPT" for d in "io")
        return Finding("Docker", where, commands)
    insert = f"nft insert rule {chain.family} {chain.table} {chain.name}"
    commands = tuple(f"{insert} {key} {bridge} accept" for key in _KEYS[chain.hook])
    return Finding(f"table {chain.family} {chain.table}", where, commands)


def judge_legacy(
    tool: str, tables: list[str], saved: str | None, bridge: str, mode: Mode
) -> list[Finding]:
    """One finding or none about iptables-legacy, which nft does not list.

    What the rules accept is not worked out. `tool` is iptables-legacy or ip6tables-legacy, and
    `tables` the names of its tables in the kernel. `saved` is what its -save prints; None: unknown.
    """
    doubtful = [table for table in tables if table != "nat"] if saved is None else _doubtful(saved)
    commands = tuple(
        f"{tool} -I {chain} {direction} {bridge} -j ACCEPT"
        for chain, direction in (("INPUT", "-i"), ("FORWARD", "-i"), ("FORWARD", "-o"))
        if chain.lower() in _HOOKS[mode]
        and f"-A {chain} {direction} {bridge} -j ACCEPT" not in (saved or "").splitlines()
    )
    if "filter" in doubtful and not commands:
        doubtful.remove("filter")
    if not doubtful:
        return []
    return [Finding(tool, f"table {', '.join(doubtful)}", commands)]


def _doubtful(saved: str) -> list[str]:
    """The tables that may drop: filter if it has rules or a policy, others if they have a drop."""
    found, table = [], ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        drops = not _HARMLESS.fullmatch(line) if table == "filter" else _ELSEWHERE.fullmatch(line)
        if drops and table not in found:
            found.append(table)
    return found
