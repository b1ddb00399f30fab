"""The names of other networks that guests may ask for: their dnsmasq forwards these to our DNS.

`[dns.guests]` of leasewatch.toml allows them, and `[dns] listen` says where to ask. The server
knows the asking network by the source address, so dnsmasq asks from that of its bridge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path

import msgspec

from leasewatch.daemon import dns_settings
from leasewatch.daemon.dns_settings import Place
from leasewatch.errors import UNDECODABLE, ParseError
from leasewatch.files.small_files import SmallFiles
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.network import Network

_EVERY = "*"
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  the owner may write it


class _Dns(msgspec.Struct, frozen=True):
    """What matters here of `dns_settings.DnsSettings`."""

    listen: Sequence[str] = ()
    guests: Mapping[str, Sequence[str]] = {}


class _Settings(msgspec.Struct, frozen=True):
    dns: _Dns = _Dns()


class Forwarding:
    """Follows the settings and the definitions; settings with a fault keep their last value."""

    def __init__(self, paths: Paths) -> None:
        self._config = str(paths.config)
        self._networks = paths.network_definitions
        self._files = SmallFiles[_Dns]()

    def lines(self, network: Network) -> list[str]:
        """Lines of the configuration of a network's dnsmasq."""
        found = self._files.read(self._config, _read)
        is_missing = isinstance(found.fault, FileNotFoundError)
        dns = _Dns() if is_missing or found.value is None else found.value
        allowed = dns.guests.get(network.name, ())
        if not allowed or not dns.listen:
            return []
        return list(forwarded(network, dns.listen, allowed, self._others(network)))

    def folders(self) -> list[Path]:
        """Where changes matter."""
        return [Path(self._config).parent, self._networks]

    def _others(self, network: Network) -> list[Network]:
        found = store.readable(self._networks, Network)
        return [other for other in found if other.name != network.name]


def forwarded(
    network: Network, listen: Sequence[str], allowed: Sequence[str], others: Iterable[Network]
) -> Iterator[str]:
    """The lines for those of the `others` that are allowed; `listen` is as in the settings."""
    server = _server(network, listen)
    for other in others:
        if server and (_EVERY in allowed or other.name in allowed):
            yield f"server=/{other.name}.{other.suffix}/{server}"
            for subnet in filter(None, (other.subnet, other.subnet6)):
                yield f"rev-server={subnet},{server}"


def _server(network: Network, listen: Iterable[str]) -> str:
    """Where and from where to ask: loopback if the server listens there. Empty: nowhere."""
    places: list[Place] = []
    for text in listen:
        with suppress(ValueError):  # leasewatch dns serve logs it
            places.append(dns_settings.place(text))
    local = [
        place._replace(address=_LOOPBACK.get(place.address, place.address)) for place in places
    ]
    for place in sorted(local, key=lambda place: not ip_address(place.address).is_loopback):
        subnet = ip_network(network.subnet6 if ":" in place.address else network.subnet)
        return f"{place.address}#{place.port}@{subnet[1]}"
    return ""


def _read(data: bytes, path: str) -> _Dns:
    try:
        return msgspec.toml.decode(data, type=_Settings).dns
    except UNDECODABLE as error:
        raise ParseError(path, 0, "dns", str(error)) from None
