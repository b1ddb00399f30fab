"""A relay in front of a primary: it passes on what comes, and cuts streams short when told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer, ThreadingUDPServer

_AFTER = 40
"""Bytes of a reply that come before the cut."""


class Relay:
    """What it does with the next streams; it runs in threads."""

    def __init__(self) -> None:
        self.cuts = 0
        """Streams to cut short yet."""
        self.was_cut = 0

    def takes(self) -> bool:
        """Whether the next stream is one of these; counts it."""
        if self.cuts:
            self.cuts -= 1
            return True
        return False


@contextmanager
def relay(port: int, primary: int) -> Iterator[Relay]:
    """Relay from one port of loopback to another."""
    made = Relay()
    there = ("127.0.0.1", primary)

    class Stream(BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(there, 20) as host, suppress(OSError):
                back = threading.Thread(target=self._bring_back, args=(host,))
                back.start()
                while data := self.request.recv(65_536):
                    host.sendall(data)
                host.shutdown(socket.SHUT_WR)
                back.join(20)

        def _bring_back(self, host: socket.socket) -> None:
            is_cut = made.takes()
            with suppress(OSError):
                while data := host.recv(65_536):
                    self.request.sendall(data[:_AFTER] if is_cut else data)
                    if is_cut:
                        made.was_cut += 1
                        break
                self.request.shutdown(socket.SHUT_RDWR)

    class Question(BaseRequestHandler):
        def handle(self) -> None:
            data, ours = self.request
            with socket.socket(type=socket.SOCK_DGRAM) as host, suppress(OSError):
                host.settimeout(5)
                host.sendto(data, there)
                ours.sendto(host.recv(65_536), self.client_address)

    with (
        ThreadingTCPServer(("127.0.0.1", port), Stream) as tcp,
        ThreadingUDPServer(("127.0.0.1", port), Question) as udp,
    ):
        for server in (tcp, udp):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        try:
            yield made
        finally:
            tcp.shutdown()
            udp.shutdown()
