"""Programs that keep plain dnsmasq lease files, and where."""

from __future__ import annotations

from leasewatch.sources import dnsmasq
from leasewatch.sources.source import Files, Source


def _source(name: str, *leases: str, bridges: tuple[str, ...] = ("{network}",)) -> Source:
    files = Files(patterns=leases)
    return dnsmasq.source_of(name=name, leases=files, network=name, bridges=bridges)


MULTIPASS = _source(
    "multipass",
    "/var/snap/multipass/common/data/multipassd/network/dnsmasq.leases",
    "/var/lib/multipass/data/multipassd/network/dnsmasq.leases",
    "/var/lib/multipass/network/dnsmasq.leases",
    bridges=("mpqemubr0", "mpqemubrzone1", "mpqemubrzone2", "mpqemubrzone3"),  # the latter newer
)
LXC = _source("lxc", "/var/lib/misc/dnsmasq.{network}.leases")
NETWORK_MANAGER = _source("networkmanager", "/var/lib/NetworkManager/dnsmasq-{network}.leases")
