"""What a name server has to know about this host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from leasewatch.daemon.dns_settings import DnsSettings, Place
from leasewatch.dns import source_address
from leasewatch.dns.site_zones import reverse_apex
from nss_pyvirt.errors import UserError


class Site(NamedTuple):
    """A host as the primary of a name server."""

    apex: str
    """Its zone, HOST.vm.SITE."""
    zones: tuple[str, ...]
    """The zones to take from it, without the catalog."""
    catalog: str
    """The catalog that names the zones, also later ones; empty: the name server uses none."""
    is_hub: bool
    """Whether it serves the other hosts' zones, too."""
    primaries: tuple[Place, ...]
    """Where it is asked, and where its NOTIFY comes from."""
    key: str
    """The name of the key."""
    source_file: str
    """The file of the key on this host, in BIND's format."""
    key_file: str
    """The file of the key on the name server."""

    @property
    def label(self) -> str:
        """What its parts are called, so that those of several hosts have different names."""
        return f"leasewatch-{self.apex.partition('.')[0]}"


class Server(NamedTuple):
    """A name server that there is a configuration for."""

    text: Callable[[Site], str]
    """Makes its configuration."""
    key_file: str
    """Where it has its keys; `{key}` stands for the name."""
    follows_catalog: bool = False
    """Whether every version does, with signatures."""
    finds_primaries: bool = False
    """Whether it takes each zone of a catalog from the host that the catalog names."""


def describe(
    settings: DnsSettings,
    hostname: str,
    server: Server,
    *,
    primaries: Sequence[Place] = (),
    key_file: str | None = None,
    folder: str,
    with_catalog: bool = False,
) -> Site:
    """The site as the settings have it; raises UserError if they lack something.

    `primaries`, `key_file`: what the user gave instead of the default. `folder` has this host's
    keys. `with_catalog`: the name server is a version that follows catalogs.
    """
    _check(settings, has_primaries=bool(primaries))
    catalog = f"catalog.vm.{settings.site}" if settings.catalog else ""
    if with_catalog and not catalog:
        what = "there is no catalog: [dns] catalog is not set"
        raise UserError(what, 'write catalog = "hub" below [dns]', "invalid")
    follows = bool(catalog) and (with_catalog or server.follows_catalog)
    if follows and settings.catalog == "direct" and not server.finds_primaries:
        what = "only BIND takes each zone of a catalog from its own host"
        raise UserError(what, 'write catalog = "hub" below [dns] on one host', "invalid")
    return Site(
        apex=settings.zone(hostname),
        zones=_zones(settings, hostname),
        catalog=catalog if follows else "",
        is_hub=settings.catalog == "hub",
        primaries=tuple(primaries) or _sources(settings),
        key=settings.key,
        source_file=f"{folder}/{settings.key}.key",
        key_file=key_file or server.key_file.format(key=settings.key),
    )


_LISTEN: Final = 'listen = ["10.99.0.2"] below [dns]'
_NOTIFY: Final = 'notify = ["10.99.0.3"] below [dns]'


def _check(settings: DnsSettings, *, has_primaries: bool) -> None:
    """Raise UserError if the settings lack what every name server needs."""
    wanted = {
        "site": (settings.site, 'write site = "example.org" below [dns], or set [dns.update]'),
        "key": (settings.key, 'sudo leasewatch dns key site; then write key = "site" below [dns]'),
        "listen": (settings.listen, f"write {_LISTEN}: the address that the name servers ask"),
        "notify": (settings.notify, f"write {_NOTIFY}: the addresses of the name servers"),
    }
    for key, (value, hint) in wanted.items():
        if not value and not (key == "notify" and has_primaries):
            raise UserError(f"[dns] {key} is not set in leasewatch.toml", hint, "invalid")


def _zones(settings: DnsSettings, hostname: str) -> tuple[str, ...]:
    found = [settings.zone(hostname), *map(reverse_apex, settings.reverse)]
    if settings.catalog == "hub":
        found += [f"{peer.host}.vm.{settings.site}" for peer in settings.peers()]
    return tuple(dict.fromkeys(found))


def _sources(settings: DnsSettings) -> tuple[Place, ...]:
    """Where NOTIFY comes from, with the port at which this host is asked there."""
    listens = settings.listens()
    found = []
    for target in settings.notified():
        try:
            source = source_address.choose(target, listens)
        except OSError as error:
            raise UserError(str(error), "or use --primary", "invalid") from None
        port = next((one.port for one in listens if one.address == source), listens[0].port)
        if not source:
            what = "[dns] listen has no address of its own: name servers need to know one"
            raise UserError(what, "leasewatch dns setup … --primary ADDRESS", "invalid")
        found.append(Place(source, port))
    return tuple(dict.fromkeys(found))
