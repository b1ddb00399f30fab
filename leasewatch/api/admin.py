"""The methods of the Varlink interface `org.pyvirt.Admin`. Their docstrings are its comments.

Everybody may ask. What changes something is `privileged`: for root and the group pyvirt. Limits and
the log level that were set hold until the service ends or reloads its settings.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import msgspec

from leasewatch.api.admin_interface import (
    ClientEntry,
    ClientsReply,
    DisconnectParameters,
    Done,
    FaultySettings,
    LimitsReply,
    LogLevel,
    NoSuchClient,
    SetLimitsParameters,
    StatusReply,
)
from leasewatch.api.description import privileged
from leasewatch.api.methods import MethodError, pages
from leasewatch.api.peers import Peer, Peers
from leasewatch.daemon import logs

ADMIN_ERRORS: Final = (NoSuchClient, FaultySettings)
"""What a method may answer instead of its reply."""
_COMMAND: Final = 200
"""Characters of a client's command that are shown."""


class Admin:
    """What the leasewatch service does, and who asks it; for its administrator."""

    def __init__(
        self, peers: Peers, status: Callable[[], StatusReply], reload: Callable[[], list[str]]
    ) -> None:
        self._peers = peers
        self._status = status
        self._reload = reload

    def status(self) -> StatusReply:
        """What the service is, has and has done since it started."""
        return self._status()

    async def clients(self) -> AsyncIterator[ClientsReply]:
        """Who is connected to this socket, the oldest connection first."""
        for page in pages(map(_entry, self._peers)):
            yield ClientsReply(clients=page)

    @privileged
    def disconnect(self, asked: DisconnectParameters) -> Done:
        """End a connection."""
        if not self._peers.disconnect(asked.id):
            raise MethodError(NoSuchClient(id=asked.id))
        return Done()

    def get_limits(self) -> LimitsReply:
        """How many may be connected, and how many may wait."""
        return LimitsReply(limits=self._peers.limits)

    @privileged
    def set_limits(self, asked: SetLimitsParameters) -> LimitsReply:
        """Change limits until the service ends or reloads. Who is connected stays."""
        wanted = {key: value for key, value in msgspec.structs.asdict(asked).items() if value}
        self._peers.limits = msgspec.structs.replace(self._peers.limits, **wanted)
        return LimitsReply(limits=self._peers.limits)

    def get_log_level(self) -> LogLevel:
        """The least level that is logged."""
        return LogLevel(level=logs.level())

    @privileged
    def set_log_level(self, asked: LogLevel) -> LogLevel:
        """Change the log level until the service ends or reloads."""
        logs.set_level(asked.level)
        return asked

    @privileged
    def reload(self) -> Done:
        """Read the settings again."""
        faults = self._reload()
        if faults:
            raise MethodError(FaultySettings(faults=faults))
        return Done()


def _entry(peer: Peer) -> ClientEntry:
    return ClientEntry(
        id=peer.number,
        pid=peer.pid,
        uid=peer.uid,
        command=_command(peer.pid),
        since=peer.since,
        calls=peer.calls,
        waiting=peer.waiting,
    )


def _command(pid: int) -> str:
    """The words of a process; empty: it has gone, or is hidden from us."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return words.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")[:_COMMAND]
