"""What the sockets and those who answer share: who asks, and what a reply is. Values only."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Iterable
from typing import NamedTuple


class Asker(NamedTuple):
    """Who sent a message, and where it arrived."""

    address: str
    """As the kernel writes it; an IPv6 link-local address has its interface behind a `%`."""
    port: int
    local: str
    """The address of ours that was asked; the reply comes from it."""
    is_tcp: bool


Reply = Iterable[bytes] | Future[Iterable[bytes]]
"""The messages to send back: none, one, or over TCP a stream. A Future: they come later."""

Respond = Callable[[bytes, Asker], Reply]
"""Called with each message; raises nothing."""
