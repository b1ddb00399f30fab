"""On the source: the ways from its QEMU to the destination's, by ssh or over TCP."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from collections.abc import Callable, Iterator
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

    def connection(self, name: str) -> socket.socket:
        """One connection alone, which the agent there gives to its QEMU.

        It has no socket in QEMU's folder then: copying costs time, and waits for other programs.
        """

    def close(self) -> None:
        """End the connections through sockets, and remove those."""


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

    def connection(self, name: str) -> socket.socket:
        """As `Channel` says."""
        door = self._ask(DoorRequest(socket=name, alone=True))
        return self._remote.connect(Path(door.path))

    def close(self) -> None:
        """The end of the ssh connection is the end of these."""


class TcpChannel:
    """Straight to an address of the destination, not encrypted."""

    def __init__(self, address: Address, ask: Ask) -> None:
        self._address, self._ask = address, ask
        self._open = contextlib.ExitStack()

    def connect(self, folder: Path, name: str) -> None:
        """As `Channel` says. UserError if the destination's port cannot be reached."""
        door = self._door(name, alone=False)
        host = self._address.host
        with self._reached(door):
            socket.create_connection((host, door.port), relay.PATIENCE).close()
        reach = relay.to_host(host, door.port, bytes.fromhex(door.token))
        self._open.callback((folder / name).unlink, missing_ok=True)
        listener = relay.listen(folder / name)
        self._open.enter_context(contextlib.closing(relay.Relay(listener, reach)))

    def connection(self, name: str) -> socket.socket:
        """As `Channel` says. UserError if the destination's port cannot be reached."""
        door = self._door(name, alone=True)
        with self._reached(door):
            return relay.connect_to_host(self._address.host, door.port, bytes.fromhex(door.token))

    def close(self) -> None:
        """As `Channel` says."""
        self._open.close()

    def _door(self, name: str, *, alone: bool) -> Door:
        host, port = self._address
        return self._ask(DoorRequest(socket=name, alone=alone, address=host, port=port))

    @contextlib.contextmanager
    def _reached(self, door: Door) -> Iterator[None]:
        """UserError if the connection that is made meanwhile fails."""
        try:
            yield
        except OSError as error:
            raise UserError(
                f"cannot reach {self._address.host}, port {door.port}: {error.strerror or error}",
                f"open TCP port {door.port} in its firewall, or omit --address",
                "unavailable",
            ) from error


def choose(remote: Remote, address: str, ask: Ask) -> Channel:
    """Over TCP to `address` (`--address`), or by ssh if that is empty."""
    return TcpChannel(parse_address(address), ask) if address else SshChannel(remote, ask)
