"""The table [dns] of the settings: its keys, what they mean, and what is wrong with them.

Text to values; opens nothing and asks no resolver.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Final, Literal, NamedTuple

import msgspec

from leasewatch import addresses

PORT: Final = 53

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")
_NAME: Final = re.compile(
    r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)
_NOT_NAME: Final = "is no DNS name of lower-case labels without a final dot"
_NOT_KEY: Final = "is no name of a key: lower-case letters, digits, hyphens and dots"
_MOST_BYTES: Final = 120
"""Of a site's or server's name, so that NAME.NETWORK.HOST.vm.SITE fits for every usual NAME."""

Faults = Iterator[tuple[str, str]]
"""Key and reason of each fault."""


class Place(NamedTuple):
    """An address, as text, and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        """As `place` reads it."""
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else f"{self.address}:{self.port}"
        )


class Peer(NamedTuple):
    """Another host of the site. Without `place` the system's resolver finds it."""

    host: str
    place: Place | None


class Update(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[dns.update]` table: names are exported into a zone of another server (RFC 2136)."""

    server: str = ""
    """What `place` takes; empty: nothing is exported."""
    zone: str = ""
    key: str = ""
    """The TSIG key's file is KEY.key."""


class DnsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[dns]` table. What the texts mean is in the methods of the same subject."""

    listen: list[str] = []
    """Empty: no DNS server."""
    host: str = ""
    """This host's label in the site; empty: the first label of its host name."""
    site: str = ""
    """Names are NAME.NETWORK.HOST.vm.SITE; empty: nothing leaves this host."""
    nameservers: list[str] = []
    """The NS records of this host's zones."""
    reverse: list[str] = []
    """CIDRs whose reverse zones the site gets."""
    notify: list[str] = []
    """Secondaries and peers that get NOTIFY."""
    key: str = ""
    """The TSIG key's file is KEY.key."""
    pull: list[str] = []
    """Peers: `HOST`, `HOST ADDRESS` or `HOST ADDRESS:PORT`."""
    catalog: Literal["", "direct", "hub"] = ""
    guests: dict[str, list[str]] = {}
    """Network -> other networks whose names its guests may ask for; `*`: every network's."""
    update: Update = Update()

    def is_on(self) -> bool:
        """Whether there is anything to do for `leasewatch dns serve`."""
        return bool(self.listen or self.site or self.pull or self.update.server)

    def zone(self, hostname: str) -> str:
        """HOST.vm.SITE, where `hostname` is the system's; empty: no site."""
        if not self.site:
            return ""
        return f"{self.host or hostname.partition('.')[0].lower()}.vm.{self.site}"

    def listens(self) -> list[Place]:
        """Where the DNS server listens."""
        return [place(text) for text in self.listen]

    def notified(self) -> list[Place]:
        """Who gets NOTIFY."""
        return [place(text) for text in self.notify]

    def peers(self) -> list[Peer]:
        """The other hosts of the site."""
        return [peer(text) for text in self.pull]


def place(text: str) -> Place:
    """From `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`; raises ValueError with the reason."""
    if text.startswith("["):
        address, closed, port = text[1:].partition("]")
        if not closed or (port and port[:1] != ":"):
            raise ValueError("is not [ADDRESS]:PORT")
        port = port[1:] if port else str(PORT)
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    else:
        address, port = text, str(PORT)
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise ValueError("has no port from 1 to 65535")
    try:
        packed = addresses.parse(address)
    except ValueError:
        raise ValueError("is neither ADDRESS nor ADDRESS:PORT") from None
    return Place(addresses.text(packed), int(port))


def peer(text: str) -> Peer:
    """From `HOST`, `HOST ADDRESS` or `HOST ADDRESS:PORT`; raises ValueError with the reason."""
    host, _, where = text.strip().partition(" ")
    if _LABEL.fullmatch(host) is None:
        raise ValueError('is not HOST or "HOST ADDRESS", where HOST is one lower-case label')
    try:
        return Peer(host, place(where.strip()) if where else None)
    except ValueError as error:
        raise ValueError(f"has an address that {error}") from None


def sound(settings: DnsSettings) -> tuple[DnsSettings, list[tuple[str, str]]]:
    """The settings without the keys that have a fault, and key and reason of each of those.

    A key without a usable value has its default, which is the closed one.
    """
    faults: list[tuple[str, str]] = []
    defaults = DnsSettings()
    for check in (_key_faults, _mutual_faults):
        found = dict(check(settings))
        faults += found.items()
        reset = {key.partition("[")[0].partition(".")[0] for key in found}
        values = {key: getattr(defaults, key) for key in reset}
        settings = msgspec.structs.replace(settings, **values)
    return settings, faults


def _key_faults(settings: DnsSettings) -> Faults:
    """Faults of single keys."""
    yield from _each("listen", settings.listen, place)
    yield from _each("notify", settings.notify, place)
    yield from _each("pull", settings.pull, peer)
    yield from _each("reverse", settings.reverse, _subnet)
    if settings.host and _LABEL.fullmatch(settings.host) is None:
        yield "host", f'"{settings.host}" is not one lower-case label'
    if settings.site and not is_name(settings.site):
        yield "site", f'"{settings.site}" {_NOT_NAME}'
    for at, name in enumerate(settings.nameservers):
        if not is_name(name):
            yield f"nameservers[{at}]", f'"{name}" {_NOT_NAME}'
    if settings.key and not is_name(settings.key):
        yield "key", f'"{settings.key}" {_NOT_KEY}'
    for network, others in settings.guests.items():
        yield from _guest_faults(network, others)
    yield from _update_faults(settings.update)


def _mutual_faults(settings: DnsSettings) -> Faults:
    """Faults of keys that need each other."""
    if settings.site and not settings.key:
        yield "site", 'needs key = "site", for transfers are signed: sudo leasewatch dns key site'
    yield from _twice(settings)
    if settings.pull and not settings.site:
        yield "pull", "needs site: a peer's names are below HOST.vm.SITE"
    if settings.guests and not settings.listen:
        yield "guests", "needs listen: the networks' own DNS asks there"
    if settings.catalog and not settings.site:
        yield "catalog", "needs site: the catalog is catalog.vm.SITE"
    if settings.catalog == "direct":
        for text in settings.pull:
            if peer(text).place is None:
                yield (
                    "catalog",
                    f'"direct" needs the address of each peer: pull = ["{text} ADDRESS"]',
                )


def _twice(settings: DnsSettings) -> Faults:
    """Faults of peers beside each other and this host."""
    hosts = [peer(text).host for text in settings.pull]
    for at, host in enumerate(hosts):
        if host == settings.host:
            yield f"pull[{at}]", f'"{host}" is this host'
        elif host in hosts[:at]:
            yield f"pull[{at}]", f'"{host}" is listed twice'


def _guest_faults(network: str, others: list[str]) -> Faults:
    for name in (network, *others):
        if name != "*" and _LABEL.fullmatch(name) is None:
            yield f"guests.{network}", f'"{name}" is no name of a network'
    if network == "*":
        yield "guests.*", "name each network whose guests may ask for other names"


def _update_faults(update: Update) -> Faults:
    if not update.server:
        if update.zone or update.key:
            yield "update.server", "is missing: the server that takes the updates"
        return
    try:
        place(update.server)
    except ValueError as error:
        yield "update.server", f'"{update.server}" {error}'
    if not is_name(update.zone):
        yield "update.zone", f'"{update.zone}" {_NOT_NAME}'
    if not is_name(update.key):
        yield "update.key", f'"{update.key}" {_NOT_KEY}'


def _each(key: str, texts: list[str], parse: Callable[[str], object]) -> Faults:
    for at, text in enumerate(texts):
        try:
            parse(text)
        except ValueError as error:
            yield f"{key}[{at}]", f'"{text}" {error}'


def _subnet(text: str) -> None:
    try:
        subnet = ip_network(text if "/" in text else "")
    except ValueError:
        raise ValueError("is no subnet like 10.77.0.0/24 or fd00:1::/64") from None
    if subnet.prefixlen % (8 if subnet.version == 4 else 4) or not subnet.prefixlen:
        raise ValueError("has no reverse zone of its own: use /8, /16, /24, or for IPv6 /4 to /124")


def is_name(text: str) -> bool:
    """Whether it is a DNS name of lower-case labels, as a site, a server or a key may have."""
    return len(text) <= _MOST_BYTES and _NAME.fullmatch(text) is not None
