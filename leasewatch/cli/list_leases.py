"""`leasewatch list`: every lease and every running domain, and what became of the name."""

from __future__ import annotations

import _socket  # socket takes 7 ms
import time

from leasewatch.cli import ask, words
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame, show
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

_COLUMNS = ("name", "network", "address", "mac", "from", "expires", "trust", "state")
_SITE_COLUMNS = ("name", "host", *_COLUMNS[1:])
_MORE = (
    *("reason", "domain", "hostname", "client_id", "iaid", "family", "ifindex", "source"),
    *("host", "full_name"),
)
"""What only JSON and CSV have unless -c names it."""
_WIDE = {"network": 70, "mac": 100, "from": 120, "trust": 120}
"""The least width of a terminal that shows these."""
_EVIDENT = {"published", "unnamed"}
"""States that explain themselves."""
_VIRSH = {"arp": "neighbour"}
"""What virsh domifaddr calls a source."""
_STATES = ("published", "pending", "refused", "conflict", "ended", "expired", "unnamed")


ALL = (*_COLUMNS, *_MORE)
ROWS = commands.rows(*ALL)


@commands.command(
    Param("wanted", multiple=True, metavar="[NAME|ADDRESS|MAC]...", complete=ask.complete_name),
    ask.NETWORKS,
    Param(
        "--state",
        name="states",
        kind=_STATES,
        multiple=True,
        help="Only leases in this state (repeatable).",
    ),
    Param(
        "--source",
        name="sources",
        multiple=True,
        metavar="SOURCE",
        complete=lambda _paths, _given: ("lease", "neighbour"),
        help="Only addresses from there: lease, neighbour, a kind of DHCP server like libvirt (see "
        "leasewatch sources), or a lease file (repeatable).",
    ),
    Param("--all-hosts", flag=True, help="Also the names of the site's other hosts."),
    Param("--mac", name="macs", multiple=True, metavar="MAC", hidden=True),
    *ROWS,
    epilog=frame.examples(
        "leasewatch list",
        "leasewatch list web1",
        "leasewatch list --network lab --state refused",
        "leasewatch list -o name",
        "leasewatch list -c name,address --no-header",
        "leasewatch list --all-hosts",
        "leasewatch list -o json | jq '.[] | select(.state == \"conflict\")'",
    ),
)
def command(
    paths: Paths,
    wanted: Sequence[str],
    networks: Sequence[str],
    states: Sequence[str],
    sources: Sequence[str],
    macs: Sequence[str],
    output: frame.Format,
    *,
    all_hosts: bool,
) -> None:
    """List every lease, and whether its name is published.

    FROM is lease, or neighbour: the host sees the address in use, by that MAC.
    STATE gives the reason, too:

    \b
    published  the name resolves to the address
    pending    a running domain has no lease yet
    refused    the guest may not have the name
    conflict   another host has the name
    ended      the lease is left over from a domain that has ended
    expired    the lease has expired
    unnamed    the guest gave no hostname

    `-o name` prints the published names, `-c` the columns that you want, also
    further ones. JSON and CSV give expiry in Unix seconds; none: the lease
    never expires. Exits with 3 if a name, address, MAC or option leaves nothing to
    list.

    --all-hosts adds the column HOST and the names of the hosts in [dns] pull: their
    networks, addresses and trust. `-o name` prints those in full.
    """  # noqa: D301  click means the character
    asked = {word.lower().removesuffix(".") for word in (*wanted, *macs)}
    origins = _origins(paths, sources)
    limits = asked or networks or states or origins
    columns, now = commands.Command.rows.columns, time.time()
    here, elsewhere = _elsewhere(paths) if all_hosts else ("", [])

    def shown(entry: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        if here:
            entry.setdefault("host", here)
        if limits and not _is_chosen(entry, asked, networks, states, origins):
            return None
        return _order(entry), _row(entry, output, columns, now)

    chosen = [row for row in ask.entries(paths, shown) if row is not None]
    chosen += [row for row in map(shown, elsewhere) if row is not None]
    if not chosen and limits:
        hints = (ask.hint(paths, one) for one in wanted)
        hint = next(filter(None, hints), "leasewatch list shows every lease")
        raise UserError("no lease matches", hint, "not-found", exit_code=3)
    if not chosen and output == "table":
        empty = UserError("no leases yet", "leasewatch sources shows where it looks", "not-found")
        frame.print_warning("leasewatch", empty)
    chosen.sort(key=lambda pair: pair[0])
    rows = [row for _, row in chosen]
    chosen.clear()  # of 100,000 leases the orders alone are 40 MB
    if output == "name":
        published = (row["name"] for row in rows if row["state"] == "published" and row["name"])
        rows = [{"name": name} for name in dict.fromkeys(published)]
    headed = _SITE_COLUMNS if all_hosts else _COLUMNS
    headed = (*headed, "reason") if output == "csv" else headed
    frame.write(frame.render(rows, headed, output, name="name", wide=_WIDE))


def _origins(paths: Paths, sources: Collection[str]) -> set[str]:
    """What --source accepts: `lease`, `neighbour`, and paths of lease files; empty: all."""
    found = {_VIRSH.get(word, word) for word in sources}
    kinds = {word for word in found if not word.startswith("/")} - {"lease", "neighbour"}
    if not kinds:
        return found
    from leasewatch.api import client  # noqa: PLC0415  start-up time

    known = client.sources(paths.varlink).sources
    if strange := kinds - {entry.source for entry in known}:
        what = f'"{min(strange)}" is not lease, neighbour, a lease file or a kind of DHCP server'
        raise UserError(what, "leasewatch sources", "usage", exit_code=2)
    return found | {entry.path for entry in known if entry.source in kinds and entry.path}


def _elsewhere(paths: Paths) -> tuple[str, list[dict[str, Any]]]:
    """Our label in the site, and the entries of the other hosts."""
    import os  # noqa: PLC0415  start-up time

    import msgspec  # noqa: PLC0415  start-up time

    from leasewatch import settings  # noqa: PLC0415  start-up time
    from leasewatch.api import site_names  # noqa: PLC0415  start-up time

    dns = settings.load(paths.config)[0].dns
    here = dns.host or os.uname().nodename.partition(".")[0].lower()
    if not dns.pull:
        hint = f'[dns] in {paths.config} needs pull = ["HOST ADDRESS"]'
        frame.print_warning("leasewatch", UserError("no other host is known", hint, "not-found"))
        return here, []
    try:
        return here, [
            {**msgspec.structs.asdict(row.entry), "host": row.host, "full_name": row.full_name}
            for row in site_names.rows(paths)
        ]
    except UserError as error:
        hint = "sudo systemctl restart leasewatch-dns"
        frame.print_warning("leasewatch", UserError(error.what, hint, "unavailable"))
        return here, []


def _is_chosen(
    entry: dict[str, Any],
    asked: set[str],
    networks: Collection[str],
    states: Collection[str],
    origins: set[str],
) -> bool:
    """Whether an entry is one of those asked for; empty: of all."""
    if origins and entry["origin"] not in origins and entry["source"] not in origins:
        return False
    if networks and entry["network"] not in networks:
        return False
    if states and entry["verdict"] not in states:
        return False
    own = (entry["name"], entry["address"], entry["mac"], entry.get("full_name"))
    return not asked or any(value and value.lower() in asked for value in own)


def _order(entry: dict[str, Any]) -> tuple[object, ...]:
    """By name (web2 before web10), unnamed last, then host, network, address (IPv4 first)."""
    name, address, family = entry["name"], entry["address"], entry["family"] or 0
    kind = _socket.AF_INET if family == 4 else _socket.AF_INET6
    packed = _socket.inet_pton(kind, address) if address else b""
    network = show.natural(entry["network"])
    host = entry.get("host") or ""
    return (name is None, show.natural(name or ""), show.natural(host), network, family, packed)


def _row(
    entry: dict[str, Any], output: frame.Format, columns: Sequence[str], now: float
) -> dict[str, Any]:
    elsewhere = {"host": entry.get("host"), "full_name": entry.get("full_name")}
    if output == "json":
        return words.row(entry) | elsewhere
    if output == "name":
        return {"name": entry.get("full_name") or entry["name"], "state": entry["verdict"]}
    address, verdict, origin = entry["address"], entry["verdict"], entry["origin"]
    if address:
        address = show.address(address, entry["ifindex"])
    if output == "csv":
        return words.row(entry) | elsewhere | {"address": address}
    is_lease = address is not None and origin != "neighbour" and not entry.get("full_name")
    row = {
        "name": entry["name"],
        "host": elsewhere["host"],
        "network": entry["network"],
        "address": address,
        "mac": entry["mac"],
        "from": origin,
        "expires": show.expiry(entry["expires"], now) if is_lease else None,
        "trust": entry["trust"],
        "state": verdict
        if verdict in _EVIDENT or "reason" in columns
        else f"{verdict}: {entry['reason']}",
    }
    return words.row(entry) | elsewhere | row if columns else row
