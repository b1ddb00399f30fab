"""Every source, one line each; `leasewatch.io.discovery` looks for them in this order."""

from __future__ import annotations

from typing import Final

from leasewatch.sources import dnsmasq, dnsmasq_users, incus, kea, libvirt, networkd
from leasewatch.sources.source import Source

SOURCES: Final[tuple[Source, ...]] = (
    dnsmasq.PYVIRT,
    dnsmasq.SETTINGS,
    libvirt.SOURCE,
    incus.SOURCE,
    incus.LXD,
    dnsmasq_users.MULTIPASS,
    dnsmasq_users.LXC,
    dnsmasq_users.NETWORK_MANAGER,
    networkd.SOURCE,
    kea.SOURCE,
    dnsmasq.SOURCE,
)

BY_NAME: Final = {source.name: source for source in SOURCES}
FOREIGN: Final = frozenset(source.name for source in SOURCES if source.leases)
"""Those that are looked for by themselves, and can be switched off."""
