"""Keeps a state like the service's: `Monitor` tells the events, and a lost service is retried."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Final, TypeVar

import msgspec

from leasewatch.api import client, interface
from leasewatch.api.interface import MonitorParameters, MonitorReply, SourcesReply
from leasewatch.cli.top.state import State
from leasewatch.errors import UNDECODABLE
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.installer.pieces import start_command

RETRY_SECONDS: Final = 1.0
SOURCES_SECONDS: Final = 10.0
"""No event tells of sources."""
_PIECE: Final = 1 << 16
_AT_ONCE: Final = 100
"""Replies that are taken before the screen and the keys have their turn."""
_FAILURES: Final = (OSError, EOFError, UserError, *UNDECODABLE)

_T = TypeVar("_T", bound=msgspec.Struct)


async def follow(paths: Paths, state: State, changed: Callable[[], None]) -> None:
    """Keep the state like the service's until cancelled; `changed` is called after each change."""
    while True:
        try:
            asked = MonitorParameters(since=state.number)
            async with aclosing(_replies(paths, interface.MONITOR, asked, MonitorReply)) as replies:
                async for reply in replies:
                    state.apply(reply)
                    changed()
            state.lost("the service has ended the connection: trying again")
        except _FAILURES as error:
            state.lost(_why(error))
        changed()
        await asyncio.sleep(RETRY_SECONDS)


async def follow_sources(paths: Paths, state: State, changed: Callable[[], None]) -> None:
    """Keep the sources of the state like the service's until cancelled."""
    while True:
        try:
            found = [
                source
                async for reply in _replies(paths, interface.SOURCES, None, SourcesReply)
                for source in reply.sources
            ]
            if found != state.sources:
                state.sources = found
                changed()
        except _FAILURES:
            pass  # `follow` reports it
        await asyncio.sleep(RETRY_SECONDS if state.fault else SOURCES_SECONDS)


async def _replies(
    paths: Paths, method: str, parameters: msgspec.Struct | None, kind: type[_T]
) -> AsyncGenerator[_T, None]:
    """The parameters of each reply to a call."""
    asked = msgspec.Raw(msgspec.json.encode(parameters or {}))
    call = interface.Call(method=method, parameters=asked, more=True)
    reader, writer = await asyncio.open_unix_connection(paths.socket)
    try:
        writer.write(msgspec.json.encode(call) + b"\0")
        async for message in _messages(reader):
            reply = msgspec.json.decode(message, type=interface.Reply)
            if reply.error is not None:
                raise client.refusal(method, reply.error, reply.parameters)
            yield msgspec.json.decode(reply.parameters, type=kind)
            if not reply.continues:
                return
    finally:
        writer.close()


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Each message without its NUL."""
    rest = b""
    while piece := await reader.read(_PIECE):
        *whole, rest = (rest + piece).split(b"\0")
        for at, message in enumerate(whole):
            yield message
            if at % _AT_ONCE == 0:
                await asyncio.sleep(0)


def _why(error: BaseException) -> str:
    """What is wrong with the service, and what to type."""
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return f"the service is not running: {start_command()}"
    if isinstance(error, UserError):
        return ": ".join(filter(None, (error.what, error.hint)))
    if isinstance(error, UNDECODABLE):
        return f"cannot understand the service's reply: {error}"
    why: Any = error.strerror if isinstance(error, OSError) else str(error)
    return f"the service does not answer: {why or 'the connection is closed'}"
