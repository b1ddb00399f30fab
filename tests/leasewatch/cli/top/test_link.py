"""How `leasewatch top` says that the service gives no events."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from leasewatch.cli.top import link
from leasewatch.cli.top.state import State
from leasewatch.paths import Paths

ERROR = b'{"error":"%s","parameters":{"method":"m"}}\0'


async def fault(paths: Paths, reply: bytes) -> str | None:
    """What is shown of a service that sends this and hangs up."""
    state, lost = State(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\0")
        writer.write(reply)
        writer.close()

    server = await asyncio.start_unix_server(answer, paths.socket)
    following = asyncio.create_task(link.follow(paths, state, lost.set))
    async with server, asyncio.timeout(60):
        await lost.wait()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    return state.fault


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"", "the service has ended the connection: trying again"),
        (b'{"parameters"', "the service has ended the connection: trying again"),
        (b"\xff\0", "cannot understand the service's reply: "),
        (b"{}\0", "cannot understand the service's reply: "),
        (ERROR % b"org.pyvirt.LeaseWatch.TooManyWaits", "too many commands of this user wait"),
        (ERROR % b"org.varlink.service.MethodNotFound", "the running service is of another"),
    ],
)
def test_a_service_that_does_not_answer_as_it_should_is_shown(
    tmp_path: Path, reply: bytes, said: str
) -> None:
    paths = Paths(tmp_path)
    paths.service_run.mkdir(parents=True)
    shown = asyncio.run(fault(paths, reply))
    assert shown is not None
    assert shown.startswith(said)


def test_without_a_service_it_says_how_to_start_one(tmp_path: Path) -> None:
    async def shown() -> str | None:
        state, lost = State(), asyncio.Event()
        following = asyncio.create_task(link.follow(Paths(tmp_path), state, lost.set))
        async with asyncio.timeout(60):
            await lost.wait()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        return state.fault

    said = asyncio.run(shown())
    assert said is not None
    assert said.startswith("the service is not running: sudo ")
