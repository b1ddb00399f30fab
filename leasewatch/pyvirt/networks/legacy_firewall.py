"""Find rules of iptables-legacy, which nft does not list, that may drop guests' packets. Pure.

What the rules accept is not worked out.
"""

from __future__ import annotations

import re

from leasewatch.pyvirt.defined.network import Mode
from leasewatch.pyvirt.networks.firewall import Finding

_HARMLESS = re.compile(r"#.*|\*.*|COMMIT|:\S+ (ACCEPT|-)( .*)?|\s*")
"""The lines of a table without rules."""
_ELSEWHERE = re.compile(r"-A .* -j (DROP|REJECT)\b.*")


def judge(
    tool: str, tables: list[str], saved: str | None, bridge: str, mode: Mode
) -> list[Finding]:
    """One finding or none, with the commands that let packets of `bridge` through.

    `tool` is iptables-legacy or ip6tables-legacy, and `tables` the names of its tables in the
    kernel. `saved` is what its -save prints; None: unknown.
    """
    doubtful = [table for table in tables if table != "nat"] if saved is None else _doubtful(saved)
    commands = tuple(
        f"{tool} -I {chain} {direction} {bridge} -j ACCEPT"
        for chain, direction in (("INPUT", "-i"), ("FORWARD", "-i"), ("FORWARD", "-o"))
        if (mode == "nat" or chain == "INPUT")
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
