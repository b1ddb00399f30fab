"""Replies as Varlink sends them: one, a list in pages, a list as one reply, or events for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from leasewatch.api.connection import Connection
from leasewatch.api.interface import encoded
from leasewatch.api.methods import MethodError
from leasewatch.api.turns import Turns


async def send_pages(
    pages: AsyncIterator[msgspec.Struct], connection: Connection, turns: Turns
) -> None:
    """A reply for each page."""
    await turns.page()
    page = await anext(pages)
    await turns.page()
    async for following in pages:
        connection.write(encoded(page, continues=True))
        await connection.drain()
        page = following
        await turns.page()
    connection.write(encoded(page))
    await connection.drain()


async def send_whole(
    pages: AsyncIterator[msgspec.Struct], connection: Connection, turns: Turns
) -> None:
    """One reply, which is never in memory as a whole. ConnectionError if a later page fails."""
    await turns.page()
    before, rows, after = _around_rows(await anext(pages))
    unsent = before + rows
    try:
        await turns.page()
        async for page in pages:
            connection.write(unsent)
            unsent = b"," + _around_rows(page)[1]
            await connection.drain()
            await turns.page()
    except MethodError as error:
        raise ConnectionAbortedError("half a reply cannot become an error") from error
    connection.write(unsent + after)
    await connection.drain()


async def send_encoded(replies: AsyncIterator[bytes], connection: Connection) -> None:
    """Encoded replies as they come."""
    async for some in replies:
        connection.write(some)
        await connection.drain()


def _around_rows(page: msgspec.Struct) -> tuple[bytes, bytes, bytes]:
    """A reply's JSON before, inside and after the list that is its first field."""
    field, *others = page.__struct_fields__
    rows = msgspec.json.encode(getattr(page, field))[1:-1]
    rest = msgspec.json.encode({name: getattr(page, name) for name in others})[1:-1]
    after = b"]," + rest if rest else b"]"
    return b'{"parameters":{"%s":[' % field.encode(), rows, after + b"}}\0"
