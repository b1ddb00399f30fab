"""Guests that were cloned with their machine-id: DHCP servers take them for one machine. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from leasewatch.api.interface import Entry
from leasewatch.history.rows import Holding
from nss_pyvirt.checks import Row

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host

SUBJECT: Final = "clones"
_RENEW: Final = (
    "in all but one: sudo rm /etc/machine-id; sudo systemd-machine-id-setup; sudo reboot"
)


def check(host: Host) -> Iterator[Row]:
    """Machines that share a client id or DUID, now or in the last day."""
    seen: list[Entry | Holding] = [*host.entries, *host.holdings]
    leases = [one for one in seen if one.origin == "lease"]
    rows = list(judge(leases))
    yield from rows or [Row("ok", SUBJECT, "no two guests share a client id or DUID")]


def judge(leases: Iterable[Entry | Holding]) -> Iterator[Row]:
    """A row for each id of several machines: MACs that have no name in common.

    A machine may have several cards and may change its name. DHCPv6 servers record no MAC, so there
    it is that of the lease with the same name.
    """
    leases = [one for one in leases if one.client_id]
    macs = {_name(one): one.mac for one in leases if one.mac and _name(one)}
    machines: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    ipv4 = set()
    for one in leases:
        name = _name(one)
        mac = one.mac or macs.get(name)
        identity = _identity(one)
        if mac and name and identity:
            machines[identity][mac].add(name)
            ipv4 |= {identity} if ":" not in (one.address or "") else set()
    for identity, names in machines.items():
        apart = [sorted(each) for each in names.values()]
        firsts = sorted({each[0] for each in apart})
        if len(apart) > 1 and not set.intersection(*map(set, apart)) and len(firsts) > 1:
            detail = f"{', '.join(firsts)} are clones with one machine-id ({identity})"
            yield Row("bad" if identity in ipv4 else "warn", SUBJECT, detail, _RENEW)


def _name(one: Entry | Holding) -> str:
    return one.domain or one.hostname or ""


def _identity(one: Entry | Holding) -> str:
    """The DUID, also that within an IPv4 client id (RFC 4361); empty: the id is made of the MAC."""
    identity = (one.client_id or "").lower()
    if ":" in (one.address or ""):
        return identity
    if identity.startswith("ff:"):
        return identity[15:]
    return "" if identity.startswith("01:") else identity
