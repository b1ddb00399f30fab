"""Read the rules of iptables-legacy in this network namespace."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from nss_pyvirt import programs
from nss_pyvirt.errors import UserError

_TOOLS = {"iptables-legacy": "ip_tables_names", "ip6tables-legacy": "ip6_tables_names"}


def tables() -> Iterator[tuple[str, list[str], str | None]]:
    """For each tool with tables in the kernel: its name, theirs, and what its -save prints.

    The last is None where the program is missing or fails.
    """
    for tool, names in _TOOLS.items():
        there: list[str] = []
        saved = None
        with contextlib.suppress(OSError):  # a kernel without it
            there = Path("/proc/net", names).read_text().split()
        if there:
            with contextlib.suppress(UserError, OSError):
                done = programs.run([f"{tool}-save"], package="iptables")
                saved = None if done.returncode else done.stdout
            yield tool, there, saved
