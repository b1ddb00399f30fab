"""On the destination: where connections from the source come in, for QEMU.

One connection alone is QEMU's own then. Several are passed on to a socket of QEMU, which counts
them. An open socket cannot be given to QEMU: it makes its own.

ssh forwards to a Unix socket of the user who has logged in, who need not be root. Without ssh they
come over TCP, with a token that ssh has carried.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

import msgspec

from leasewatch.paths import Paths
from leasewatch.pyvirt.migration import relay, remote
from nss_pyvirt.errors import UserError

PORTS: Final = range(49152, 49216)
"""Those that libvirt uses, too: a firewall may know them."""


class DoorRequest(msgspec.Struct, frozen=True, kw_only=True, tag="door"):
    """Open a door to the destination's QEMU."""

    socket: str
    """The name of QEMU's socket in its folder /migration."""
    alone: bool = False
    """One connection will come (`Doors.connection`); else they are passed on to the socket."""
    address: str = ""
    """The address for TCP; empty: ssh is the way."""
    port: int = 0
    """The TCP port; 0: the first of `PORTS` that is free."""


class Door(msgspec.Struct, frozen=True, kw_only=True, tag="door"):
    """Where connections come in."""

    path: str = ""
    """The socket for ssh."""
    port: int = 0
    token: str = ""
    """What each connection over TCP begins with, in hexadecimal."""


class Doors:
    """All that are open; `close` ends their connections. `owner`: the user whom sshd runs as."""

    def __init__(self, paths: Paths, owner: int) -> None:
        self._folders, self._owner = paths.migrations, owner
        self._open = contextlib.ExitStack()
        self._folder: Path | None = None
        self._come: SimpleQueue[socket.socket] = SimpleQueue()

    def open(self, request: DoorRequest, folder: Path) -> Door:
        """Let connections in to a socket in `folder`; UserError if none can be made."""
        target = folder / Path(request.socket).name
        reach = relay.nowhere if request.alone else relay.to_socket(target)
        if request.address:
            return self._open_tcp(request, reach)
        if self._folder is None:
            self._folder = self._open.enter_context(
                remote.private_folder(self._folders, self._owner)
            )
        path = self._folder / target.name
        self._relay(relay.listen(path), reach)
        return Door(path=str(path))

    def connection(self) -> socket.socket:
        """The connection that has come alone; UserError if none comes."""
        try:
            return self._come.get(timeout=relay.PATIENCE)
        except Empty:
            raise UserError("no connection for the guest has come", code="timeout") from None

    def close(self) -> None:
        """Close them all."""
        self._open.close()
        self._folder = None

    def _open_tcp(self, request: DoorRequest, reach: relay.Reach) -> Door:
        token = relay.new_token()
        ports = [request.port] if request.port else PORTS
        try:
            listener = relay.listen_tcp(request.address, ports)
        except OSError as error:
            where = f"port {request.port}" if request.port else f"ports {PORTS[0]} to {PORTS[-1]}"
            what = f"cannot listen at {request.address}, {where}: {error.strerror or error}"
            raise UserError(what, "give --address ADDRESS:PORT", "unavailable") from error
        port = int(listener.getsockname()[1])
        self._relay(listener, relay.by_token(token, reach), strangers=True)
        return Door(port=port, token=token.hex())

    def _relay(
        self, listener: socket.socket, reach: relay.Reach, *, strangers: bool = False
    ) -> None:
        made = relay.Relay(listener, reach, strangers=strangers, keep=self._come.put)
        self._open.enter_context(contextlib.closing(made))
