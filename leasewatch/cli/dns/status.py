"""`leasewatch dns status`: zones, who asked for them, peers, updates."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec

from leasewatch.api import client, exchange
from leasewatch.api.dns_interface import STATUS, DnsStatus
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame, show, table

_COLUMNS = ("what", "item", "serial", "names", "age", "error")
_WIDE = {"names": 60, "age": 50}
"""The least width of a terminal that shows these."""


@commands.command(commands.output("text", "json", help="How to print the answer and errors."))
def command(paths: Paths, output: str) -> None:
    """Show zones and who asked for them, peers, and waiting updates.

    An endpoint of [dns] listen that cannot be bound is a row with the reason. A zone's
    secondaries stand below it, with the serial that each got last. AGE is how long ago that
    was, or when a peer or server last answered.
    """
    found = ask(paths)
    if output == "json":
        frame.write(frame.render_object(msgspec.to_builtins(found)))
        return
    lines = _lines(found)
    frame.write(table.plain({"what": [*lines], "how": [*lines.values()]}))
    rows = list(_rows(found, time.time()))
    if rows:
        frame.write("\n" + frame.render(rows, _COLUMNS, "table", name="item", wide=_WIDE))


def ask(paths: Paths) -> DnsStatus:
    """What the DNS process has and does; raises UserError."""
    try:
        (reply,) = client.replies(paths.dns_varlink, STATUS, None, DnsStatus, more=False)
    except exchange.NoServiceError as error:
        raise _not_running(paths, error) from None
    return reply


def _not_running(paths: Paths, error: UserError) -> UserError:
    from leasewatch import settings  # noqa: PLC0415  only here

    if paths.dns_varlink.exists():
        what = error.what.replace("leasewatch service", "DNS process")
        return UserError(what, _START, "unavailable")
    if not settings.load(paths.config)[0].dns.is_on():
        what = f"the DNS process is not running: [dns] in {paths.config} is empty"
        return UserError(what, "see SETTINGS in man leasewatch", "unavailable")
    return UserError("the DNS process is not running", _START, "unavailable")


_START = "sudo systemctl restart leasewatch-dns"


def _lines(found: DnsStatus) -> dict[str, str]:
    """What concerns the whole process, for people."""
    follows = "follows" if found.follows else "waits for"
    did = found.counters
    return {
        "process": f"leasewatch {found.version}, process {found.pid},"
        f" up {show.age(0, found.uptime)}, {follows} the leasewatch service",
        "names": f"{found.names} of this host",
        "listens": ", ".join(found.listens) or "nowhere",
        "queries": f"{did.queries} in all, {did.queries_refused} refused,"
        f" {did.queries_limited} limited",
        "transfers": f"{did.transfers} whole, {did.transfers_incremental} incremental;"
        f" {did.notifies} NOTIFY sent",
    }


def _rows(found: DnsStatus, now: float) -> Iterator[dict[str, object]]:
    for unbound in found.unbound:
        error = _joined(unbound.error, unbound.hint)
        yield _row("listen", unbound.address, None, None, None, error)
    for zone in found.zones:
        yield _row("zone", zone.zone, zone.serial, zone.names)
        for one in zone.secondaries:
            error = None
            if one.serial != zone.serial:
                error = "has never asked" if one.serial is None else "lacks the last serial"
            asked = _age(one.asked, now)
            yield _row("secondary", f"  {one.address}", one.serial, None, asked, error)
    for peer in found.peers:
        error = _joined(peer.error, peer.hint)
        yield _row("peer", peer.host, peer.serial, peer.names, _age(peer.checked, now), error)
    for export in found.exports:
        waits = f"names that wait: {export.queued}" if export.queued else None
        error = _joined(waits, export.error, export.hint)
        name = f"{export.zone} at {export.server}"
        yield _row("export", name, None, export.names, _age(export.sent, now), error)
        for refused in export.refused:
            error = _joined(refused.why, refused.hint)
            yield _row("refused", f"  {refused.name}", None, None, None, error)


def _row(
    what: str,
    name: str,
    serial: int | None,
    names: int | None,
    age: str | None = None,
    error: str | None = None,
) -> dict[str, object]:
    return dict(zip(_COLUMNS, (what, name, serial, names, age, error), strict=True))


def _age(moment: float | None, now: float) -> str | None:
    return show.age(moment, now) if moment is not None else None


def _joined(*parts: str | None) -> str | None:
    return "; ".join(filter(None, parts)) or None
