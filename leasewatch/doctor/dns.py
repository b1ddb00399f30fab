"""Whether other programs and hosts get the names that [dns] promises them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from leasewatch.api.dns_interface import DnsStatus, ExportEntry, PeerEntry, ZoneEntry
from leasewatch.daemon.dns_settings import DnsSettings
from nss_pyvirt.checks import Row
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import show
from nss_pyvirt.users import DNS_USER

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host

SUBJECT: Final = "dns"
_OLD: Final = 180.0
"""Seconds after which a peer, or a secondary with an older serial, is late: three times refresh."""
_CHECK: Final = "leasewatch serve --check"
_STATUS: Final = "leasewatch dns status"


class KeyFile(NamedTuple):
    """A TSIG key in use."""

    path: str
    mode: int
    """Permission bits; 0: there is no such file."""


def check(host: Host) -> Iterator[Row]:
    """A row for each fault, or one that says what works."""
    settings, faults = host.dns_settings
    if not settings.is_on():
        if faults:  # which the row of the settings shows
            yield Row("bad", SUBJECT, "[dns] has an error, so nothing is served", _CHECK)
        else:
            yield Row("off", SUBJECT, "[dns] is empty: only programs of this host get the names")
        return
    wrong = [*judge_keys(host.dns_keys), *judge_places(settings, host.own_addresses)]
    served = host.dns_served
    if isinstance(served, UserError):
        wrong.append(Row("bad", SUBJECT, served.what, served.hint or ""))
    else:
        wrong += judge(settings, served, host.now)
        if not wrong:
            yield Row("ok", SUBJECT, _summary(served))
    yield from wrong


def judge(settings: DnsSettings, served: DnsStatus, now: float) -> Iterator[Row]:
    """What the DNS process says is wrong."""
    if not served.follows:
        what = "the DNS process has lost the leasewatch service: its names are old"
        yield Row("warn", SUBJECT, what, "sudo systemctl restart leasewatch")
    for place in settings.listens():
        if str(place) not in served.listens:
            what = f"nothing answers at {place}: another program listens there"
            yield Row("bad", SUBJECT, what, f"sudo ss -lnptu sport = {place.port}")
    for zone in served.zones:
        yield from _judge_zone(zone, now, is_early=served.uptime < _OLD)
    for peer in served.peers:
        yield from _judge_peer(peer, now)
    for export in served.exports:
        yield from _judge_export(export)


def judge_places(settings: DnsSettings, own: frozenset[str]) -> Iterator[Row]:
    """Addresses to listen at that this host (`own`) does not have."""
    for place in settings.listens():
        address = ip_address(place.address)
        if not (address.is_loopback or address.is_unspecified or place.address in own):
            what = f"{place.address} of listen is no address of this host, so no client reaches it"
            yield Row("bad", SUBJECT, what, "ip address")


def judge_keys(keys: Sequence[KeyFile]) -> Iterator[Row]:
    """Keys that are missing, or that every user can read."""
    for key in keys:
        if not key.mode:
            name = key.path.rpartition("/")[2].removesuffix(".key")
            fix = f"copy it from another host, or make one: sudo leasewatch dns key {name}"
            yield Row("bad", SUBJECT, f"there is no key {key.path}", fix)
        elif key.mode & 0o077:
            what = f"other users can read the key {key.path}, and may have copied it"
            fix = f"sudo chown {DNS_USER}: {key.path} && sudo chmod 600 {key.path}"
            yield Row("bad", SUBJECT, what, fix)


def _judge_zone(zone: ZoneEntry, now: float, *, is_early: bool) -> Iterator[Row]:
    """`is_early`: those that have the zone already may not have asked yet."""
    for one in zone.secondaries:
        if one.serial is None or one.asked is None:
            if not is_early:
                what = f"{one.address} gets NOTIFY of {zone.zone}, and has not asked for it"
                yield Row("warn", SUBJECT, what, "leasewatch dns setup prints what it needs")
        elif one.serial != zone.serial and now - one.asked > _OLD:
            what = f"{one.address} has not asked for {zone.zone} for {show.age(one.asked, now)}"
            yield Row("warn", SUBJECT, f"{what}: it has serial {one.serial}", _STATUS)


def _judge_peer(peer: PeerEntry, now: float) -> Iterator[Row]:
    if peer.error:
        yield Row("warn", SUBJECT, f"peer {peer.host}: {peer.error}", peer.hint or _STATUS)
    elif peer.checked is None:
        yield Row("warn", SUBJECT, f"peer {peer.host} has not answered yet", _STATUS)
    elif now - peer.checked > _OLD:
        what = f"peer {peer.host} has not answered for {show.age(peer.checked, now)}"
        yield Row("warn", SUBJECT, what, _STATUS)


def _judge_export(export: ExportEntry) -> Iterator[Row]:
    if export.error:
        yield Row("bad", SUBJECT, f"names are not exported: {export.error}", export.hint or _STATUS)
    if export.refused:
        one = export.refused[0]
        others = export.refused_count - 1
        more = f", and {others} more" if others else ""
        what = f"{one.name}.{export.zone} is not exported: it {one.why}{more}"
        yield Row("warn", SUBJECT, what, _STATUS if others else one.hint)


def _summary(served: DnsStatus) -> str:
    counted = (
        (len(served.zones), "zone"),
        (len(served.peers), "peer"),
        (sum(one.names for one in served.exports), "exported name"),
    )
    counts = [f"{number} {word}{'s' * (number != 1)}" for number, word in counted if number]
    places = [f"answers at {', '.join(served.listens)}"] if served.listens else []
    return "; ".join([*places, *([", ".join(counts)] if counts else [])]) or "runs"
