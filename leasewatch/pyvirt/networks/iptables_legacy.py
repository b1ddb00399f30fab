"""What the kernel has of iptables-legacy, in this network namespace. Judges nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from leasewatch.pyvirt import process
from nss_pyvirt.errors import UserError

_TOOLS = {"iptables-legacy": "ip_tables_names", "ip6tables-legacy": "ip6_tables_names"}


def tables() -> Iterator[tuple[str, list[str], str | None]]:
    """Of each tool whose tables there are: its name, theirs, and what its -save prints.

    None in place of the latter where the program is missing or fails.
    """
    for tool, names in _TOOLS.items():
        there: list[str] = []
        with contextlib.suppress(OSError):  # a kernel without it
            there = Path("/proc/net", names).read_text().split()
        if there:
            yield tool, there, _save(f"{tool}-save")


def _save(program: str) -> str | None:
    with contextlib.suppress(UserError, OSError):
        done = process.run([program], package="iptables")
        return None if done.returncode else done.stdout
    return None
