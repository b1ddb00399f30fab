"""Whether dnsmasq has the repairs of its last faults that can be used from the network. Pure.

They are those of May 2026 (CERT VU#471747), six of them; releases 2.92rel2 and 2.93 have them.
A distribution repairs an older version and keeps its number, so its changelog counts as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from nss_pyvirt.checks import Row

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host

SUBJECT: Final = "dnsmasq"
_FAULT: Final = "CVE-2026-2291"
"""The first of the six, which were repaired together."""
_VERSION: Final = re.compile(r"Dnsmasq version (\d+)\.(\d+)(?:rel(\d+))?\S*")
_REPAIRED: Final = (2, 92, 2)
_UPGRADE: Final = "sudo apt update; sudo apt install --only-upgrade dnsmasq-base"


def check(host: Host) -> Iterator[Row]:
    """One row."""
    changelog = host.dnsmasq_changelog if host.dnsmasq else ""
    yield judge(host.dnsmasq, changelog)


def judge(version: str, changelog: str) -> Row:
    """`version`: the first line of `dnsmasq --version`, empty if there is no dnsmasq."""
    if not version:
        return Row("off", SUBJECT, "is not installed: pyvirt cannot start a network")
    found = _VERSION.match(version)
    if found is None:
        return Row("ok", SUBJECT, "its version is unknown")
    number = found[0].split()[-1]
    if tuple(int(part or 0) for part in found.groups()) >= _REPAIRED:
        return Row("ok", SUBJECT, number)
    if _FAULT in changelog:
        return Row("ok", SUBJECT, f"{number}, with the distribution's repair of {_FAULT}")
    detail = f"{number} may lack the repair of {_FAULT} and five more, used from the network"
    return Row("warn", SUBJECT, detail, _UPGRADE)
