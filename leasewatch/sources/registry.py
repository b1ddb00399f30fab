"""Every source, one line each, in the order in which `discovery` looks for them."""

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
FORMATS: Final = {"dnsmasq": dnsmasq.SETTINGS} | {
    source.name: source for source in (libvirt.SOURCE, networkd.SOURCE, kea.SOURCE)
}
"""What a file of the settings may be, by its name there."""
TOLD_BY_CONTENT: Final = dnsmasq.SETTINGS.name
"""The kind of a file for which the settings give none."""
FOREIGN: Final = frozenset(source.name for source in SOURCES if source.leases.patterns)
"""Those that are discovered automatically and can be switched off."""


def told_by(data: bytes) -> Source | None:
    """The source whose format `data` begins in; None: it is empty, or like nothing known."""
    known = (source for source in FORMATS.values() if source.begins)
    return next((source for source in known if source.begins and source.begins.match(data)), None)
