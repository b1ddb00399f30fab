"""Rules of iptables-legacy, which nft does not list: whether they may drop packets of a bridge.

Only its own words (iptables-save(8)) tell what they do, and those are not judged. Pure.
"""

from __future__ import annotations

import re

from leasewatch.pyvirt.defined.network import Mode
from leasewatch.pyvirt.networks.firewall import Finding

_HARMLESS = re.compile(r"#.*|\*.*|COMMIT|:\S+ (ACCEPT|-)( .*)?|\s*")
"""What a table without rules has."""
_ELSEWHERE = re.compile(r"-A .* -j (DROP|REJECT)\b.*")


def judge(
    tool: str, tables: list[str], saved: str | None, bridge: str, mode: Mode
) -> list[Finding]:
    """What may drop packets of `bridge`, with the commands that allow it: one Finding or none.

    `tool` is iptables-legacy or ip6tables-legacy, `tables` those that the kernel has of it, `saved`
    what its -save prints, None where that is not known.
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
    return [Finding(tool, f"table {', '.join(doubtful)}", (), commands)]


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
