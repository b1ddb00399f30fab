"""`leasewatch admin`: what the service does, who asks it, and its limits and log level."""

from __future__ import annotations

import pwd
import shlex
import sys
import time
from typing import TypeVar

import msgspec

from leasewatch.api import admin_interface as admin
from leasewatch.api import client as varlink_client
from leasewatch.api.admin_interface import (
    ClientEntry,
    ClientsReply,
    DisconnectParameters,
    Done,
    LimitsReply,
    LogLevel,
    SetLimitsParameters,
    StatusReply,
)
from leasewatch.api.interface import SERVICE_NAME
from leasewatch.daemon.logs import LEVELS, Level
from leasewatch.daemon.service_settings import PLACES, SHARE, Limits
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame, show, table
from nss_pyvirt.terminal.commands import Param

_T = TypeVar("_T", bound=msgspec.Struct)
_COLUMNS = ("id", "user", "pid", "age", "calls", "waits", "command")
_CSV = ("id", "user", "uid", "pid", "since", "calls", "waits", "command")
_WIDE = {"waits": 60, "calls": 50}
"""The least width of a terminal that shows these."""
_OUTPUT = commands.output("text", "json", help="How to print the answer and errors.")

command = commands.Group(
    """Look after the running service. Without COMMAND: status.

    Everybody may look. Root and members of the group pyvirt may change something.
    Limits and the log level hold until the service ends or reloads; to keep them, write
    them into [api] and [log] of /etc/pyvirt/leasewatch.toml.
    """,
    default="status",
    epilog=frame.examples(
        "leasewatch admin                                what the service does",
        "leasewatch admin clients                        who is connected to it",
        "sudo leasewatch admin disconnect 17",
        "sudo leasewatch admin limits set --connections 2000",
        "sudo leasewatch admin log debug                 log each call",
    ),
)


@command.command(_OUTPUT)
def status(paths: Paths, output: str) -> None:
    """Show what the service has, and has done."""
    found = _ask(paths, admin.STATUS, None, StatusReply)
    if output == "json":
        frame.write(frame.render_object(msgspec.to_builtins(found)))
    else:
        lines = _lines(found)
        frame.write(table.plain({"what": [*lines], "how": [*lines.values()]}))


@command.command(*commands.rows(*dict.fromkeys((*_COLUMNS, *_CSV))))
def clients(paths: Paths, output: frame.Format) -> None:
    """List who is connected to the service.

    The oldest connection comes first. WAITS is the call that waits: Wait, Monitor or Records.
    """
    pages = varlink_client.replies(paths.varlink, admin.CLIENTS, None, ClientsReply)
    now = time.time()
    rows = [_row(client, now) for page in pages for client in page.clients]
    if output == "json":
        for row in rows:
            del row["age"]
    columns = _CSV if output == "csv" else _COLUMNS
    frame.write(frame.render(rows, columns, output, name="id", wide=_WIDE))


def _complete_id(paths: Paths, _given: object) -> list[str]:
    """Shell completion: the IDs of all connections."""
    pages = varlink_client.replies(paths.varlink, admin.CLIENTS, None, ClientsReply)
    return [str(client.id) for page in pages for client in page.clients]


@command.command(
    Param(
        "number",
        kind=commands.whole_number(1, 2**63 - 1),
        required=True,
        metavar="ID",
        complete=_complete_id,
    )
)
def disconnect(paths: Paths, number: int) -> None:
    """End a connection, by its ID.

    `leasewatch admin clients` shows it.
    """
    _ask(paths, admin.DISCONNECT, DisconnectParameters(id=number), Done)
    frame.print_done(f"disconnected client {number}", id=number)


limits = command.members["limits"] = commands.Group(
    """Show or change how many may be connected. Without COMMAND: show.""",
    default="show",
    epilog=frame.examples("sudo leasewatch admin limits set --waits-of-user 200"),
)


@limits.command(_OUTPUT, name="show")
def show_limits(paths: Paths, output: str) -> None:
    """Show the limits."""
    _print_limits(_ask(paths, admin.GET_LIMITS, None, LimitsReply).limits, output)


@limits.command(
    Param(
        "--connections",
        kind=commands.whole_number(*PLACES),
        metavar="NUMBER",
        help="Connections of all users together, beside root's.",
    ),
    Param(
        "--connections-of-user",
        kind=commands.whole_number(*SHARE),
        metavar="NUMBER",
        help="Connections of one user. Root has as many of its own.",
    ),
    Param(
        "--waits-of-user",
        kind=commands.whole_number(*SHARE),
        metavar="NUMBER",
        help="Calls of one user that wait: leasewatch wait, leasewatch watch.",
    ),
    _OUTPUT,
    name="set",
)
def set_limits(paths: Paths, output: str, **wanted: int | None) -> None:
    """Change limits. Who is connected stays.

    A change holds until the service ends or reloads.
    """
    if not any(wanted.values()):
        what = "no limit to set is given"
        raise UserError(what, "leasewatch admin limits set --help", "usage", exit_code=2)
    asked = SetLimitsParameters(**wanted)
    _print_limits(_ask(paths, admin.SET_LIMITS, asked, LimitsReply).limits, output)


@command.command(Param("level", kind=tuple(LEVELS), metavar="[LEVEL]"))
def log(paths: Paths, level: Level | None) -> None:
    """Show or change the log level.

    A change holds until the service ends or reloads. The levels, from few lines to
    many: error, warning, notice, info, debug. With debug the service logs each call.
    """
    if level is None:
        level = _ask(paths, admin.GET_LOG_LEVEL, None, LogLevel).level
        frame.print_done(level, level=level)
    else:
        _ask(paths, admin.SET_LOG_LEVEL, LogLevel(level=level), LogLevel)
        frame.print_done(f"the service logs {level} and worse", level=level)


@command.command()
def reload(paths: Paths) -> None:
    """Let the service read its settings again.

    If they have faults, it keeps the previous ones.
    """
    _ask(paths, admin.RELOAD, None, Done)
    frame.print_done(f"reloaded {paths.config}")


def _ask(paths: Paths, method: str, asked: msgspec.Struct | None, kind: type[_T]) -> _T:
    """The one reply to a call; raises UserError with what to type instead."""
    try:
        (reply,) = varlink_client.replies(paths.varlink, method, asked, kind, more=False)
    except varlink_client.RefusedError as error:
        raise _refusal(error) from None
    return reply


def _refusal(error: varlink_client.RefusedError) -> UserError:
    if error.name == f"{SERVICE_NAME}.PermissionDenied":
        what = "only root and members of the group pyvirt may change the service"
        return UserError(what, f"sudo leasewatch {shlex.join(sys.argv[1:])}", "needs-root")
    if error.name == admin.NO_SUCH_CLIENT:
        number = msgspec.json.decode(error.parameters, type=admin.NoSuchClient).id
        hint = "leasewatch admin clients"
        return UserError(f"there is no client {number}", hint, "not-found", exit_code=3)
    if error.name == admin.FAULTY_SETTINGS:
        first, *others = msgspec.json.decode(error.parameters, type=admin.FaultySettings).faults
        more = f", and {len(others)} more" if others else ""
        hint = "leasewatch serve --check shows every fault"
        return UserError(f"{first}{more}; the previous settings stay", hint, "invalid")
    return error


def _print_limits(found: Limits, output: str) -> None:
    values = msgspec.structs.asdict(found)
    if output == "json":
        frame.write(frame.render_object(values))
    else:
        frame.write(table.plain({"what": [*values], "how": [*map(str, values.values())]}))


def _row(client: ClientEntry, now: float) -> dict[str, object]:
    try:
        user = pwd.getpwuid(client.uid).pw_name
    except KeyError:
        user = str(client.uid)
    return {
        "id": client.id,
        "user": user,
        "uid": client.uid,
        "pid": client.pid,
        "since": client.since,
        "age": show.age(client.since, now),
        "calls": client.calls,
        "waits": client.waiting,
        "command": client.command or None,
    }


def _lines(found: StatusReply) -> dict[str, str]:
    """The status as a list for people."""
    did = found.counters
    broken = f", {found.sources_unreadable} unreadable" if found.sources_unreadable else ""
    return {
        "service": f"leasewatch {found.version}, process {found.pid},"
        f" up {show.age(0, found.uptime)}, log level {found.log_level}",
        "names": f"{found.names} of {found.networks} networks, generation {found.generation}",
        "leases": f"{found.leases} in {found.sources} files{broken}",
        "tables": f"{did.publishes} published"
        + _times(did.publishes, did.publish_seconds, did.publish_longest)
        + f"; {did.publish_failures} failed",
        "files": f"{did.parses} parsed"
        + _times(did.parses, did.parse_seconds, did.parse_longest)
        + f"; {did.parse_failures} failed",
        "claims": f"{did.claims_refused} refused, {did.claims_in_conflict} in conflict",
        "clients": f"{found.clients} now, {did.connections} in all;"
        f" {did.connections_refused} refused, {did.connections_cut_off} cut off,"
        f" {did.connections_disconnected} disconnected, {did.peers_faulty} faulty",
        "calls": f"{did.calls} in all, {did.waits_refused} refused",
        "waits": f"{found.waiting} now, {did.waits} in all",
        "watchers": f"{found.watching} now, {did.watches} in all",
        "lookups": f"{found.lookups_waiting} waiting now, {did.lookups_waited} in all",
        "events": f"{did.events} handed to watchers, {did.events_dropped} dropped;"
        f" {did.watchers_cut_off} watchers cut off",
        "history": f"{did.history_dropped} changes dropped",
    }


def _times(count: int, seconds: float, longest: float) -> str:
    """How long each took."""
    if not count:
        return ""
    return f", {1000 * seconds / count:.1f} ms each, {1000 * longest:.1f} ms at most"
