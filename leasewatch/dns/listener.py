"""The sockets of the DNS server: UDP and TCP on each endpoint. Others decide what is answered.

An endpoint whose address comes later is bound at once (IP_FREEBIND). One that another program has
taken is retried, and logged once.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
from asyncio import Future
from collections.abc import Iterable
from functools import partial
from typing import Final

from leasewatch.api.dns_interface import UnboundEntry
from leasewatch.daemon.alarm import Alarm
from leasewatch.daemon.dns_settings import Place
from leasewatch.daemon.logs import Recent, fields
from leasewatch.dns.asking import Asker, Respond
from leasewatch.dns.streams import Streams

_RETRY_SECONDS: Final = 5.0
_AT_ONCE: Final = 64
"""Datagrams that are answered before other work has its turn."""
_LONGEST: Final = 4096
"""Bytes of a query over UDP; a longer one is truncated, so it is malformed."""
_BUFFER: Final = 1 << 20
"""Bytes of datagrams that wait in the kernel, if it grants as much."""
_BACKLOG: Final = 128
_IP_PKTINFO: Final = 8
_IP_FREEBIND: Final = 15
_IPV6_FREEBIND: Final = 78
"""ip(7), ipv6(7): Python has no names for them."""
_PKTINFO4: Final = struct.Struct("@I4s4s")
"""struct in_pktinfo: interface, the local address, the header's destination."""
_PKTINFO6: Final = struct.Struct("@16sI")
"""struct in6_pktinfo: address, interface."""
_ANY: Final = {"0.0.0.0", "::"}  # noqa: S104  the owner may write it
_LOG = logging.getLogger(__name__)


class Listener:
    """Listens at these endpoints between `start` and `stop`."""

    def __init__(self, places: Iterable[Place], respond: Respond) -> None:
        self._respond = respond
        self._streams = Streams(respond)
        self._wanted = list(dict.fromkeys(places))
        self._sockets: dict[Place, tuple[socket.socket, socket.socket]] = {}
        """UDP and TCP of each endpoint that is bound."""
        self._retry = Alarm(self._bind)
        self._faults: dict[Place, UnboundEntry] = {}
        self._logged = Recent()

    def start(self) -> None:
        """Bind every endpoint; those that fail are tried again."""
        self._bind()

    def stop(self) -> None:
        """Close everything."""
        self._retry.cancel()
        for place in list(self._sockets):
            self._close(place)
        self._streams.stop()

    def connections(self) -> int:
        """TCP connections now."""
        return len(self._streams)

    def bound(self) -> list[Place]:
        """The endpoints that are served now."""
        return [place for place in self._wanted if place in self._sockets]

    def unbound(self) -> list[UnboundEntry]:
        """The endpoints that are retried."""
        return list(self._faults.values())

    def _bind(self) -> None:
        """Bind what is not bound yet, and try again later if anything is missing."""
        missing = [place for place in self._wanted if place not in self._sockets]
        for place in missing:
            try:
                self._open(place)
            except OSError as error:
                self._fail(place, error)
            else:
                self._faults.pop(place, None)
                _LOG.info("listening %s", fields(address=place.address, port=place.port))
        if len(self._sockets) < len(self._wanted):
            self._retry.set(_RETRY_SECONDS)
        else:
            self._retry.cancel()

    def _open(self, place: Place) -> None:
        udp = _bound(place, socket.SOCK_DGRAM)
        try:
            tcp = _bound(place, socket.SOCK_STREAM)
        except OSError:
            udp.close()
            raise
        loop = asyncio.get_running_loop()
        if place.address in _ANY:
            loop.add_reader(udp, _answer_any, udp, self._respond)
        else:
            loop.add_reader(udp, _answer, udp, place.address, self._respond)
        self._streams.listen(tcp)
        self._sockets[place] = udp, tcp

    def _close(self, place: Place) -> None:
        loop = asyncio.get_running_loop()
        for sock in self._sockets.pop(place):
            loop.remove_reader(sock)
            sock.close()

    def _fail(self, place: Place, error: OSError) -> None:
        why, hint = error.strerror or str(error), _hint(place, error)
        self._faults[place] = UnboundEntry(address=str(place), error=why, hint=hint)
        if self._logged.is_new(place, error.errno):
            shown = fields(address=place.address, port=place.port, why=why, hint=hint)
            _LOG.error("cannot listen, retrying %s", shown)


def _hint(place: Place, error: OSError) -> str | None:
    if error.errno == errno.EADDRINUSE:
        return f"ss -lntup 'sport = {place.port}' shows who has it; or choose another port"
    if error.errno == errno.EACCES:
        return "a port below 1024 needs CAP_NET_BIND_SERVICE, as leasewatch-dns.service has"
    return None


def _bound(place: Place, kind: socket.SocketKind) -> socket.socket:
    """A socket bound there; raises OSError."""
    family = socket.AF_INET6 if ":" in place.address else socket.AF_INET
    sock = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, place.address in _ANY)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, place.address in _ANY)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(tuple(place))
            sock.listen(_BACKLOG)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            sock.bind(tuple(place))
    except OSError:
        sock.close()
        raise
    return sock


def _answer(sock: socket.socket, local: str, respond: Respond) -> None:
    """Answer the datagrams that are there. The socket has one address, so replies come from it."""
    receive = sock.recvfrom
    for _ in range(_AT_ONCE):
        try:
            data, client = receive(_LONGEST)
        except OSError:
            return
        reply = respond(data, Asker(_address(client), client[1], local, False))
        if isinstance(reply, Future):
            reply.add_done_callback(partial(_send_later, sock, client))
            continue
        for message in reply:
            _send(sock, message, client)
            break


def _answer_any(sock: socket.socket, respond: Respond) -> None:
    """The same for a socket with every address: each reply is sent from the one that was asked."""
    for _ in range(_AT_ONCE):
        try:
            data, ancillary, _, client = sock.recvmsg(_LONGEST, 64)
        except OSError:
            return
        local, source = _asked(ancillary)
        reply = respond(data, Asker(_address(client), client[1], local, False))
        if isinstance(reply, Future):
            reply.add_done_callback(partial(_send_later, sock, client, source=source))
            continue
        for message in reply:
            _send(sock, message, client, source)
            break


_Source = list[tuple[int, int, bytes]]
"""Ancillary data that sets where a datagram is sent from."""


def _asked(ancillary: list[tuple[int, int, bytes]]) -> tuple[str, _Source]:
    """The local address that was asked, and what makes the reply come from it."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            _, _, address = _PKTINFO4.unpack(data)
            source = _PKTINFO4.pack(0, address, bytes(4))
            return socket.inet_ntop(socket.AF_INET, address), [(level, kind, source)]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            address, _ = _PKTINFO6.unpack(data)
            return socket.inet_ntop(socket.AF_INET6, address), [(level, kind, data)]
    return "", []


def _address(client: tuple[str, int] | tuple[str, int, int, int]) -> str:
    return client[0]


def _send(
    sock: socket.socket,
    message: bytes,
    client: tuple[str | int, ...],
    source: _Source | None = None,
) -> None:
    """Send a reply; one that cannot be sent is lost, as any datagram may be."""
    try:
        if source is None:
            sock.sendto(message, client)
        else:
            sock.sendmsg([message], source, 0, client)
    except OSError:
        pass


def _send_later(
    sock: socket.socket,
    client: tuple[str | int, ...],
    reply: Future[Iterable[bytes]],
    source: _Source | None = None,
) -> None:
    if not reply.cancelled():
        for message in reply.result():
            _send(sock, message, client, source)
            break
