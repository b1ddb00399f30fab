"""On the source: join a socket of its QEMU with one of the destination's, by ssh or over TCP."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from leasewatch.pyvirt.migration import relay
from leasewatch.pyvirt.migration.doors import Door, DoorRequest
from leasewatch.pyvirt.migration.remote import Remote
from nss_pyvirt.errors import UserError

Ask = Callable[[DoorRequest], Door]
"""Asks the destination."""


class Channel(Protocol):
    """The way of all connections of one migration."""

    def connect(self, folder: Path, name: str) -> None:
        """Make the socket `name` in `folder`, /migration of the QEMU here.

        Who connects to it reaches the socket of that name in the QEMU there.
        """

    def close(self) -> None:
        """End all connections and remove the sockets made."""


class Address(NamedTuple):
    """Where the destination is reached over TCP."""

    host: str
    port: int
    """0: the destination chooses."""


def parse_address(text: str) -> Address:
    """`ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`; UserError for anything else."""
    with contextlib.suppress(ValueError):
        return Address(str(ipaddress.ip_address(text)), 0)
    match = re.fullmatch(r"(?:([\w.-]+)|\[([0-9a-fA-F:.]+)\])(?::(\d{1,5}))?", text)
    if match is None or int(match[3] or 0) > 65535:
        raise UserError(
            f"--address {text}: this is no address",
            "give ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT",
            "usage",
            exit_code=2,
        )
    return Address(match[1] or match[2], int(match[3] or 0))


class SshChannel:
    """Through the ssh connection, which encrypts."""

    def __init__(self, remote: Remote, ask: Ask) -> None:
        self._remote, self._ask = remote, ask

    def connect(self, folder: Path, name: str) -> None:
        """As `Channel` says."""
        door = self._ask(DoorRequest(socket=name))
        self._remote.forward(folder / name, Path(door.path))

    def close(self) -> None:
        """The end of the ssh connection is the end of these."""


class TcpChannel:
    """Straight to an address of the destination, not encrypted."""

    def __init__(self, address: Address, ask: Ask) -> None:
        self._address, self._ask = address, ask
        self._open = contextlib.ExitStack()

    def connect(self, folder: Path, name: str) -> None:
        """As `Channel` says. UserError if the destination's port cannot be reached."""
        host, port = self._address
        door = self._ask(DoorRequest(socket=name, address=host, port=port))
        try:
            socket.create_connection((host, door.port), relay.PATIENCE).close()
        except OSError as error:
            raise UserError(
                f"cannot reach {host}, port {door.port}: {error.strerror or error}",
                f"open TCP port {door.port} in its firewall, or omit --address",
                "unavailable",
            ) from error
        reach = relay.to_host(host, door.port, bytes.fromhex(door.token))
        self._open.callback((folder / name).unlink, missing_ok=True)
        listener = relay.listen(folder / name)
        self._open.enter_context(contextlib.closing(relay.Relay(listener, reach)))

    def close(self) -> None:
        """As `Channel` says."""
        self._open.close()


def choose(remote: Remote, address: str, ask: Ask) -> Channel:
    """Over TCP to `address` (`--address`), or by ssh if that is empty."""
    return TcpChannel(parse_address(address), ask) if address else SshChannel(remote, ask)
