"""The messages of the Varlink interface `org.pyvirt.Admin`; `admin` holds the methods.

The string beside a field's type is its comment in the interface's text.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

import msgspec

from leasewatch.daemon.counters import Counters
from leasewatch.daemon.logs import Level
from leasewatch.daemon.service_settings import Limits, Places, Share

ADMIN: Final = "org.pyvirt.Admin"

STATUS: Final = f"{ADMIN}.Status"
CLIENTS: Final = f"{ADMIN}.Clients"
DISCONNECT: Final = f"{ADMIN}.Disconnect"
GET_LIMITS: Final = f"{ADMIN}.GetLimits"
SET_LIMITS: Final = f"{ADMIN}.SetLimits"
GET_LOG_LEVEL: Final = f"{ADMIN}.GetLogLevel"
SET_LOG_LEVEL: Final = f"{ADMIN}.SetLogLevel"
RELOAD: Final = f"{ADMIN}.Reload"
NO_SUCH_CLIENT: Final = f"{ADMIN}.NoSuchClient"
FAULTY_SETTINGS: Final = f"{ADMIN}.FaultySettings"


class StatusReply(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `Status`: what the service is, has and has done."""

    version: str
    pid: int
    uptime: Annotated[float, "seconds since the service started"]
    generation: Annotated[int, "of the published host table: it grows with each"]
    names: Annotated[int, "names that answer"]
    leases: Annotated[int, "leases that hold"]
    networks: Annotated[int, "networks with a lease file"]
    sources: Annotated[int, "lease files that are watched"]
    sources_unreadable: Annotated[int, "lease files that cannot be read"]
    clients: Annotated[int, "connections now"]
    waiting: Annotated[int, "calls of Wait that wait now"]
    watching: Annotated[int, "calls of Monitor and Records that run now"]
    lookups_waiting: Annotated[int, "lookups that wait for a domain's first address now"]
    log_level: str
    counters: Counters


class ClientEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One connection. The process is the one that connected."""

    VARLINK: ClassVar[str] = "Client"

    id: Annotated[int, "of this connection, for Disconnect"]
    pid: int
    uid: int
    command: Annotated[str, "its words, the first 200 characters; empty: hidden, or gone"]
    since: Annotated[float, "when it connected, in Unix seconds"]
    calls: int
    waiting: Annotated[
        Literal["Wait", "Monitor", "Records"] | None,
        "Wait, Monitor or Records: the call that waits; null: none",
    ] = None


class ClientsReply(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `Clients`."""

    clients: list[ClientEntry]


class DisconnectParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `Disconnect`."""

    id: int


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """Reply without content."""


class LimitsReply(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `GetLimits` and `SetLimits`: what holds now."""

    limits: Limits


class SetLimitsParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `SetLimits`; null: as it is."""

    connections: Places | None = None
    connections_of_user: Share | None = None
    waits_of_user: Share | None = None


class LogLevel(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `GetLogLevel`; parameters of `SetLogLevel`."""

    level: Annotated[Level, "error, warning, notice, info or debug"]


class NoSuchClient(msgspec.Struct, frozen=True, kw_only=True):
    """There is no connection of that number, or no longer."""

    id: int


class FaultySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings have faults, so the previous ones still hold."""

    faults: list[str]
