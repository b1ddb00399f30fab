"""The sockets of the hook as systemd would pass them, and calls on them; it judges nothing."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.rdata
import dns.rdataclass
import dns.wire

HOOK = "io.systemd.Resolve.Hook"
A, AAAA, PTR = 1, 28, 12


class Sockets:
    """Two listening sockets, `names` and `zones`."""

    def __init__(self, folder: Path) -> None:
        self.paths = {name: folder / name for name in ("resolve-names", "resolve-zones")}
        self.listening = {name: _listening(path) for name, path in self.paths.items()}

    def close(self) -> None:
        for sock in self.listening.values():
            sock.close()

    @contextmanager
    def peer(self, which: str = "names") -> Iterator[Peer]:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60)
            sock.connect(str(self.paths[f"resolve-{which}"]))
            yield Peer(sock)

    def resolve(self, name: str, *types: int) -> dict[str, Any]:
        """The parameters of the reply, on a connection of its own."""
        with self.peer() as peer:
            return peer.resolve(name, *types)


def _listening(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen(4096)
    return sock


class Peer:
    """A connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._received = b""

    def send(self, method: str, *, more: bool = False, **parameters: object) -> None:
        """Call a method of the hook."""
        self.call(f"{HOOK}.{method}", more=more, **parameters)

    def call(self, method: str, *, more: bool = False, **parameters: object) -> None:
        asked = {"method": method, "parameters": parameters, "more": more}
        self.sock.sendall(json.dumps(asked).encode() + b"\0")

    def receive(self) -> dict[str, Any]:
        """The next reply; EOFError if the service hangs up."""
        while b"\0" not in self._received:
            try:
                received = self.sock.recv(65536)
            except ConnectionResetError:
                received = b""
            if not received:
                raise EOFError
            self._received += received
        reply, _, self._received = self._received.partition(b"\0")
        found: dict[str, Any] = json.loads(reply)
        return found

    def ask(self, name: str, *types: int) -> None:
        keys = [{"key": {"class": 1, "type": kind, "name": name}} for kind in types]
        self.send("ResolveRecord", question=keys)

    def resolve(self, name: str, *types: int) -> dict[str, Any]:
        self.ask(name, *types)
        found: dict[str, Any] = self.receive()["parameters"]
        return found


def data(reply: Mapping[str, Any]) -> list[str]:
    """The data of the records, as text."""
    found = []
    for record in reply["answer"]:
        parser = dns.wire.Parser(base64.b64decode(record["raw"]))
        parser.get_name()
        kind, _, _, _ = parser.get_struct("!HHIH")
        found.append(dns.rdata.from_wire_parser(dns.rdataclass.IN, kind, parser).to_text())
    return found
