"""`leasewatch list`: every lease and every running domain, and what became of the name."""

from __future__ import annotations

import socket
import time

import click

from leasewatch.api.interface import Entry
from leasewatch.cli import ask, words
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame, show

_COLUMNS = ("name", "network", "address", "mac", "from", "expires", "trust", "state")
_SPARE = ("trust", "from", "mac", "network")
"""What a terminal that is too narrow goes without, in this order."""
_EVIDENT = {"published", "unnamed"}
"""These need no reason."""


@click.command(
    "list",
    cls=commands.Command,
    epilog=frame.examples(
        "leasewatch list",
        "leasewatch list -o name",
        "leasewatch list -o json | jq '.[] | select(.state == \"conflict\")'",
    ),
)
@frame.output_option
@click.pass_obj
def command(paths: Paths, output: frame.Format) -> None:
    """List every lease, and what became of its name.

    FROM is lease, or neighbour: the host sees the address in use, by that MAC. STATE is published,
    pending (a running domain without a lease), refused, conflict, ended (left by a domain that has)
    or expired, with the reason, or unnamed: the guest gave no hostname. `-o name` prints the names
    that are published. JSON and CSV have the same words, the reason apart, and the expiry in Unix
    seconds; none: the lease never ends.
    """
    entries = sorted(ask.list_entries(paths).entries, key=_order)
    if output == "name":
        names = {entry.name for entry in entries if entry.verdict == "published"}
        rows: list[dict[str, object]] = [{"name": name} for name in sorted(filter(None, names))]
    elif output == "json":
        rows = [words.row(entry) for entry in entries]
    elif output == "csv":
        rows = [words.row(entry) | {"address": _address(entry)} for entry in entries]
    else:
        now = time.time()
        rows = [_row(entry, now) for entry in entries]
    if not rows and output == "table":
        what = "there is no lease"
        frame.print_error("leasewatch", UserError(what, "leasewatch sources says where it looks"))
    columns = (*_COLUMNS, "reason") if output == "csv" else _COLUMNS
    click.echo(frame.render(rows, columns, output, name="name", spare=_SPARE), nl=False)


def _order(entry: Entry) -> tuple[object, ...]:
    """By name, unnamed last, then network and address, IPv4 first."""
    packed = b""
    if entry.address:
        family = socket.AF_INET6 if entry.family == 6 else socket.AF_INET
        packed = socket.inet_pton(family, entry.address)
    return (entry.name is None, entry.name or "", entry.network, entry.family or 0, packed)


def _address(entry: Entry) -> str | None:
    return show.address(entry.address, entry.ifindex) if entry.address else None


def _expires(entry: Entry, now: float) -> str | None:
    """Only a lease ends."""
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
