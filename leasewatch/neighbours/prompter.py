"""Asks for addresses: one datagram makes the kernel find out whether anybody is there.

The answer is in the kernel's neighbour table (`kernel`); none is read here.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from contextlib import suppress

from leasewatch import addresses
from leasewatch.neighbours.prompts import AFTER, Prompts, Target

_LOG = logging.getLogger(__name__)
_IP_PKTINFO = 8
"""linux/in.h; Python 3.11 does not name it."""
_DISCARD = 9
"""RFC 863: the receiver ignores the datagram, which is empty anyway."""


class Prompter:
    """Sends when a question is due and has no timer otherwise; `stop` ends it."""

    def __init__(self) -> None:
        self._prompts = Prompts()
        self._sockets = {length: _socket(length) for length in (4, 16)}
        if self._sockets[16] is None:
            _LOG.warning("no IPv6 socket: addresses are seen only once they are used")
        self._timer: asyncio.TimerHandle | None = None
        self.answered = self._prompts.answered
        self.keep = self._prompts.keep

    def ask(self, target: Target, steps: tuple[float, ...] = AFTER) -> None:
        """Ask for it after the first of `steps` (seconds), and again after each other one."""
        if self._sockets[len(target[1])] is not None:
            self._prompts.ask(target, asyncio.get_running_loop().time(), steps)
            self._arm()

    def stop(self) -> None:
        """Stop asking."""
        if self._timer is not None:
            self._timer.cancel()
        for sock in filter(None, self._sockets.values()):
            sock.close()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._prompts.next_due()
        if due is not None:
            self._timer = asyncio.get_running_loop().call_at(due, self._send)

    def _send(self) -> None:
        self._timer = None
        for target in self._prompts.due(asyncio.get_running_loop().time()):
            self._prompt(target)
        self._arm()

    def _prompt(self, target: Target) -> None:
        """Send it. Without a route, or with a full table, no machine is found; that is no error."""
        ifindex, address = target
        sock = self._sockets[len(address)]
        to: tuple[str, int] | tuple[str, int, int, int]
        if len(address) == 4:
            to = addresses.text(address), _DISCARD
            on = socket.IPPROTO_IP, _IP_PKTINFO, struct.pack("=i8x", ifindex)
        else:
            to = addresses.text(address), _DISCARD, 0, ifindex
            on = socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, struct.pack("=16xi", ifindex)
        if sock is not None:
            with suppress(OSError):
                sock.sendmsg([b""], [on], socket.MSG_DONTWAIT, to)


def _socket(length: int) -> socket.socket | None:
    """A socket for addresses of `length` bytes; None: the kernel lacks the family."""
    family = socket.AF_INET if length == 4 else socket.AF_INET6
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    except OSError:
        return None
    if length == 4:  # never beyond the link
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 1)
    return sock
