"""`leasewatch list`: every lease and every running domain, and what became of the name."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from leasewatch import addresses
from leasewatch.api.interface import Entry
from leasewatch.cli import ask, words
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame, show

_COLUMNS = ("name", "network", "address", "mac", "from", "expires", "trust", "state")
_WIDE = {"network": 70, "mac": 100, "from": 120, "trust": 120}
"""The least width of a terminal that shows these."""
_EVIDENT = {"published", "unnamed"}
"""States that explain themselves."""
_STATES = ("published", "pending", "refused", "conflict", "ended", "expired", "unnamed")


def _complete_network(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return ask.complete(ctx, "network", incomplete)


@click.command(
    "list",
    cls=commands.Command,
    epilog=frame.examples(
        "leasewatch list",
        "leasewatch list web1",
        "leasewatch list --network lab --state refused",
        "leasewatch list -o name",
        "leasewatch list -o json | jq '.[] | select(.state == \"conflict\")'",
    ),
)
@click.argument(
    "wanted",
    metavar="[NAME|ADDRESS|MAC]...",
    nargs=-1,
    shell_complete=ask.complete_name,
)
@click.option(
    "--network",
    "networks",
    metavar="NETWORK",
    multiple=True,
    shell_complete=_complete_network,
    help="Only leases on this network (repeatable).",
)
@click.option(
    "--state",
    "states",
    type=click.Choice(_STATES),
    multiple=True,
    help="Only leases in this state (repeatable).",
)
@frame.output_option
@click.pass_obj
def command(
    paths: Paths,
    wanted: Sequence[str],
    networks: Sequence[str],
    states: Sequence[str],
    output: frame.Format,
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

    `-o name` prints the published names. JSON and CSV give expiry in Unix
    seconds; none: the lease never expires. Exits with 3 if a name, address,
    MAC or option leaves nothing to list.
    """  # noqa: D301  click means the character
    entries = ask.list_entries(paths).entries
    chosen = [entry for entry in entries if _is_chosen(entry, wanted, networks, states)]
    if not chosen and (wanted or networks or states):
        hint = "leasewatch list shows every lease"
        raise UserError("no lease matches", hint, "not-found", exit_code=3)
    if not chosen and output == "table":
        empty = UserError("no leases yet", "leasewatch sources shows where it looks", "not-found")
        frame.print_warning("leasewatch", empty)
    _print(sorted(chosen, key=_order), output)


def _is_chosen(
    entry: Entry, wanted: Sequence[str], networks: Sequence[str], states: Sequence[str]
) -> bool:
    """Whether an entry is one of those asked for; empty: of all."""
    asked = {word.lower().removesuffix(".") for word in wanted}
    own = {value.lower() for value in (entry.name, entry.address, entry.mac) if value}
    return (
        (not asked or bool(asked & own))
        and (not networks or entry.network in networks)
        and (not states or entry.verdict in states)
    )


def _print(entries: Sequence[Entry], output: frame.Format) -> None:
    if output == "name":
        names = {entry.name for entry in entries if entry.name and entry.verdict == "published"}
        rows: list[dict[str, object]] = [{"name": n} for n in sorted(names, key=show.natural)]
    elif output == "json":
        rows = [words.row(entry) for entry in entries]
    elif output == "csv":
        rows = [words.row(entry) | {"address": _address(entry)} for entry in entries]
    else:
        now = time.time()
        rows = [_row(entry, now) for entry in entries]
    columns = (*_COLUMNS, "reason") if output == "csv" else _COLUMNS
    click.echo(frame.render(rows, columns, output, name="name", wide=_WIDE), nl=False)


def _order(entry: Entry) -> tuple[object, ...]:
    """By name (host2 before host10), unnamed last, then network and address, IPv4 first."""
    packed = addresses.parse(entry.address) if entry.address else b""
    name, network = show.natural(entry.name or ""), show.natural(entry.network)
    return (entry.name is None, name, network, entry.family or 0, packed)


def _address(entry: Entry) -> str | None:
    return show.address(entry.address, entry.ifindex) if entry.address else None


def _expires(entry: Entry, now: float) -> str | None:
    """None for what is no lease: it does not end."""
    if entry.address is None or entry.origin == "neighbour":
        return None
    return show.expiry(entry.expires, now)


def _row(entry: Entry, now: float) -> dict[str, object]:
    state = entry.verdict if entry.verdict in _EVIDENT else f"{entry.verdict}: {entry.reason}"
    return {
        "name": entry.name,
        "network": entry.network,
        "address": _address(entry),
        "mac": entry.mac,
        "from": entry.origin,
        "expires": _expires(entry, now),
        "trust": entry.trust,
        "state": state,
    }
