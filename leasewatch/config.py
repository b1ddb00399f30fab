"""The settings, /etc/pyvirt/leasewatch.toml: bytes to values. Opens no file (see `settings`).

```toml
[[source]]                 # a further lease file
path = "/var/lib/misc/dnsmasq.leases"
network = "lan"            # its hosts are NAME.lan.internal
suffix = "internal"        # default: that of [names]
bridge = "br0"             # its interface, or several: ["br0", "br1"]: finds guests' IPv6 and
                           # static addresses
kind = "dnsmasq"           # or kea, libvirt, networkd; default: recognised by the first bytes

[[host]]                   # a name for the machine with this network card
name = "printer"           # a machine with several cards: one entry for each, with the same name
mac = "00:1b:a9:00:00:01"
network = "lan"
aliases = ["scanner"]      # resolve to the same addresses
address = "192.168.1.9"    # a static address: probed for, so that the name resolves at once

[sources]                  # all are discovered; `leasewatch sources` lists them
libvirt = false

[names]
suffix = "internal"        # default for all sources
guest_claims = "newest"    # or "off": DHCP hostnames are ignored
reserved = ["printer"]     # names that no guest may have
pending_wait = 20          # seconds that a lookup waits for a domain's first lease; 0: never

[history]
enabled = true             # false: record nothing
days = 90                  # delete older entries
size = 256                 # MiB at most

[api]                      # limits of the service's socket; see leasewatch admin
connections = 1024         # of all users together; root has places of its own
connections_of_user = 128
waits_of_user = 112        # calls that wait: leasewatch wait, leasewatch watch

[log]
level = "info"             # or error, warning, notice, debug

[metrics]                  # for Prometheus; needs the package prometheus_client
listen = ""                # "unix:/run/leasewatch/metrics.sock", "127.0.0.1:9477"; empty: nowhere

[dns]                      # names for other hosts: see leasewatch dns
listen = []                # "127.0.0.1:5300", "10.99.0.2" (port 53), "[fd00::1]:53"; UDP and TCP
host = ""                  # this host's label in the site; default: of its host name
site = ""                  # "example.org": NAME.NETWORK.HOST.vm.example.org; empty: local only
nameservers = []           # NS records of this host's zones: "ns1.example.org"
reverse = []               # subnets whose reverse zones the site gets: "10.77.0.0/24"
notify = []                # secondaries and peers that get NOTIFY: "10.99.0.3", "10.99.0.4:5353"
key = ""                   # TSIG key of transfers: /etc/pyvirt/dns/KEY.key
pull = []                  # peers: "hostb 10.99.0.5", "hostc 10.99.0.6:5300", or "hostd"
catalog = ""               # "direct" (for BIND) or "hub" (serves the peers' zones too)

[dns.guests]               # which other networks' names guests may ask for
lab = ["dmz"]              # or ["*"]

[dns.update]               # names are exported into a zone of another server (RFC 2136)
server = ""                # "10.99.0.3", "10.99.0.3:5353"
zone = ""                  # "vms.example.org"
key = ""                   # /etc/pyvirt/dns/KEY.key
```
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from leasewatch import addresses
from leasewatch.daemon import dns_settings, endpoint
from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.daemon.service_settings import Limits, LogSettings, MetricsSettings
from leasewatch.errors import UNDECODABLE, ParseError
from leasewatch.model import Domain, LeaseFile, Nic
from leasewatch.names import labels, suffix
from leasewatch.names.aliases import MAX_BYTES
from leasewatch.sources import fields, registry
from nss_pyvirt.errors import UserError

_APPLY = "sudo systemctl reload-or-restart leasewatch"
_INTERFACE = re.compile(r"[!-.0-9;-~]{1,15}")
"""Printable, without slash, colon or blank (Linux: dev_valid_name)."""
_T = TypeVar("_T")


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[source]]`."""

    path: str
    network: str
    suffix: str | None = None
    bridge: str | list[str] = ""
    """Empty: not known."""
    kind: str = ""
    """One of `registry.FORMATS`; empty: recognised by the file's first bytes."""

    @property
    def bridges(self) -> list[str]:
        """The bridges as a list."""
        return [self.bridge] if isinstance(self.bridge, str) else self.bridge


class Host(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[host]]`: the owner's name for a network card, whoever manages the machine."""

    name: str
    mac: str
    network: str
    aliases: Sequence[str] = ()
    address: str = ""
    """A static address of the machine; empty: none, or not known."""


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[names]` table."""

    suffix: str = "internal"
    guest_claims: Literal["newest", "off"] = "newest"
    reserved: list[str] = []
    pending_wait: Annotated[int, msgspec.Meta(ge=0, le=30)] = 20
    """Seconds; the NSS module never waits for longer than 30."""


class HistorySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[history]` table."""

    enabled: bool = True
    days: Annotated[int, msgspec.Meta(ge=1, le=36500)] = 90
    size: Annotated[int, msgspec.Meta(ge=1, le=1_048_576)] = 256
    """MiB."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; a missing file is the same as an empty one."""

    source: list[Source] = []
    host: list[Host] = []
    sources: dict[str, object] = {}
    """Name in `leasewatch.sources.registry` -> whether it is discovered; default: it is."""
    names: Names = Names()
    history: HistorySettings = HistorySettings()
    api: Limits = Limits()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    dns: DnsSettings = DnsSettings()

    def off(self) -> set[str]:
        """The sources that are switched off."""
        return {name for name, wanted in self.sources.items() if not wanted}

    def lease_files(self) -> list[LeaseFile]:
        """The lease files of the [[source]] entries."""
        return [
            LeaseFile(
                path=s.path,
                network=s.network,
                suffix=s.suffix or self.names.suffix,
                kind=s.kind or registry.TOLD_BY_CONTENT,
            )
            for s in self.source
        ]

    def hosts(self) -> list[Domain]:
        """The [[host]] machines, each with all cards of its name. Whether one runs is not known."""
        machines: dict[str, list[Host]] = {}
        for host in self.host:
            machines.setdefault(labels.fold(host.name), []).append(host)
        return [
            Domain(
                name=cards[0].name,
                aliases=tuple(dict.fromkeys(alias for card in cards for alias in card.aliases)),
                nics=tuple(_nic(card) for card in cards),
                started=0.0,
                pending_until=0,
                runs=False,
            )
            for cards in machines.values()
        ]

    def bridges(self) -> dict[str, list[str]]:
        """Network -> interfaces, for the [[source]] entries that name a bridge."""
        found: dict[str, list[str]] = {}
        for source in self.source:
            if any(source.bridges):
                found.setdefault(source.network, []).extend(filter(None, source.bridges))
        return found


UNKNOWN: Final = Config(names=Names(guest_claims="off"))
"""The settings while the file cannot be understood."""


def read(data: bytes, path: str) -> tuple[Config, list[UserError]]:
    """The settings in `data` that are sound, and an error for each entry that is not.

    A faulty entry is omitted: a source or host, or one key of a table, which then has its default.
    Two keys fail safe. While [names] has a fault, or the file is no TOML, guests' claims give no
    names. A source whose switch has a fault is off.
    """
    try:
        raw = msgspec.toml.decode(data)
    except UNDECODABLE as error:
        return UNKNOWN, [_fault(path, f"not TOML: {error}")]
    reader = _Reader(path)
    config = Config(
        source=reader.sources(raw.pop("source", [])),
        host=reader.hosts(raw.pop("host", [])),
        sources=reader.switches(raw.pop("sources", {})),
        names=reader.names(raw.pop("names", {})),
        history=reader.table(raw.pop("history", {}), HistorySettings, "history"),
        api=reader.table(raw.pop("api", {}), Limits, "api"),
        log=reader.table(raw.pop("log", {}), LogSettings, "log"),
        metrics=reader.metrics(raw.pop("metrics", {})),
        dns=reader.dns(raw.pop("dns", {})),
    )
    for key in raw:
        reader.add(key, "there is no such setting")
    return config, reader.faults


class _Reader:
    """Takes the parts of a file one by one and collects their faults."""

    def __init__(self, path: str) -> None:
        self.faults: list[UserError] = []
        self._path = path

    def add(self, key: str, why: str) -> None:
        """Add a fault."""
        self.faults.append(_fault(self._path, f"{key}: {why}"))

    def sources(self, raw: object) -> list[Source]:
        """The sound [[source]] entries."""
        found: dict[str, Source] = {}
        for key, source in self._entries(raw, Source, "source"):
            if not self._has(key, _source_faults(source)):
                if source.path in found:
                    self.add(f"{key}.path", f'"{source.path}" is listed twice')
                else:
                    found[source.path] = source
        return list(found.values())

    def hosts(self, raw: object) -> list[Host]:
        """The sound [[host]] entries: each card once, no more aliases than fit."""
        found: list[Host] = []
        cards: dict[tuple[str, str], str] = {}
        aliases: dict[str, set[str]] = {}
        for key, host in self._entries(raw, Host, "host"):
            if self._has(key, _host_faults(host)):
                continue
            nic, name = _nic(host), labels.fold(host.name)
            first = cards.setdefault((nic.network, nic.mac), key)
            every = aliases.get(name, set()) | set(host.aliases)
            if first != key:
                self.add(f"{key}.mac", f"the card is {first}'s already; names go to aliases")
            elif sum(len(alias) + 1 for alias in every) > MAX_BYTES:
                why = f'those of "{host.name}" take more than {MAX_BYTES} bytes in all'
                self.add(f"{key}.aliases", why)
            else:
                aliases[name] = every
                found.append(host)
        return found

    def switches(self, raw: object) -> dict[str, object]:
        """The [sources] table."""
        found: dict[str, object] = {}
        if not isinstance(raw, dict):
            self.add("sources", "expected a table")
            raw = {}
        for name, wanted in raw.items():
            if name not in registry.FOREIGN:
                why = "is always followed" if name in registry.BY_NAME else "no such source"
                known = ", ".join(sorted(registry.FOREIGN))
                self.add(f"sources.{name}", f"{why}; these can be switched off: {known}")
                continue
            if not isinstance(wanted, bool):
                self.add(f"sources.{name}", "expected true or false, without quotes")
            found[name] = wanted is True
        return found

    def names(self, raw: object) -> Names:
        """The [names] table."""
        before = len(self.faults)
        names = self.table(raw, Names, "names")
        if self._has("names", _suffix_faults(names.suffix)):
            names = msgspec.structs.replace(names, suffix=Names().suffix)
        is_sound = len(self.faults) == before
        return names if is_sound else msgspec.structs.replace(names, guest_claims="off")

    def metrics(self, raw: object) -> MetricsSettings:
        """The [metrics] table."""
        metrics = self.table(raw, MetricsSettings, "metrics")
        return MetricsSettings() if self._has("metrics", _endpoint_faults(metrics)) else metrics

    def dns(self, raw: object) -> DnsSettings:
        """The [dns] table with the tables below it."""
        sound, faults = dns_settings.sound(self.table(raw, DnsSettings, "dns"))
        for key, why in faults:
            self.add(f"dns.{key}", why)
        return sound

    def table(self, raw: object, kind: type[_T], key: str) -> _T:
        """A table of which every key has a default."""
        if not isinstance(raw, dict):
            self.add(key, "expected a table")
            raw = {}
        sound = {
            name: value
            for name, value in raw.items()
            if self._converted({name: value}, kind, key) is not None
        }
        return msgspec.convert(sound, kind)

    def _has(self, key: str, faults: Iterator[tuple[str, str]]) -> bool:
        """Whether there is a fault; the first one is added."""
        for below, why in faults:
            self.add(f"{key}.{below}", why)
            return True
        return False

    def _entries(self, raw: object, kind: type[_T], key: str) -> Iterator[tuple[str, _T]]:
        if not isinstance(raw, list):
            self.add(key, f"write [[{key}]] instead of [{key}]: there may be several")
            raw = []
        for i, item in enumerate(raw):
            entry = self._converted(item, kind, f"{key}[{i}]")
            if entry is not None:
                yield f"{key}[{i}]", entry

    def _converted(self, raw: object, kind: type[_T], key: str) -> _T | None:
        try:
            return msgspec.convert(raw, kind)
        except msgspec.ValidationError as error:
            why, _, at = str(error).partition(" - at `$")
            self.add(key + at.rstrip("`"), why[:1].lower() + why[1:])
            return None


def _nic(host: Host) -> Nic:
    address = addresses.text(fields.address(host.address.encode(), "")) if host.address else ""
    return Nic(host.network, fields.mac(host.mac.encode(), ""), address=address)


def _fault(path: str, what: str) -> UserError:
    return UserError(f"{path}: {what}", f"correct {path}, then: {_APPLY}", "invalid")


def _source_faults(source: Source) -> Iterator[tuple[str, str]]:
    """Key and reason of each."""
    if not PurePosixPath(source.path).is_absolute() or "\0" in source.path:
        yield "path", f'"{source.path}" is not an absolute path'
    if not labels.is_label(source.network, underscores=True):
        why = "is not one label of lower-case letters, digits and hyphens"
        yield "network", f'"{source.network}" {why}'
    for bridge in filter(None, source.bridges):
        if _INTERFACE.fullmatch(bridge) is None:
            yield "bridge", f'"{bridge}" is not an interface name'
    if source.kind and source.kind not in registry.FORMATS:
        known = ", ".join(sorted(registry.FORMATS))
        yield "kind", f'"{source.kind}" is not a kind of lease file; use one of {known}'
    if source.suffix is not None:
        yield from _suffix_faults(source.suffix)


def _host_faults(host: Host) -> Iterator[tuple[str, str]]:
    """Key and reason of each."""
    names = {"name": host.name} | {f"aliases[{i}]": alias for i, alias in enumerate(host.aliases)}
    for key, name in names.items():
        if fault := labels.owner_fault(labels.fold(name)):
            yield key, f'"{name}" {fault}'
    try:
        fields.mac(host.mac.encode(), "")
    except ParseError as error:
        yield "mac", error.why
    try:
        _nic(host)
    except ParseError:
        yield "address", f'"{host.address}" is not an IP address'


def _endpoint_faults(metrics: MetricsSettings) -> Iterator[tuple[str, str]]:
    """Key and reason of each."""
    try:
        endpoint.parse(metrics.listen or "unix:/")
    except ValueError as error:
        yield "listen", f'"{metrics.listen}" {error}'


def _suffix_faults(value: str) -> Iterator[tuple[str, str]]:
    if fault := suffix.fault(value):
        yield "suffix", f'"{value}" {fault}'
