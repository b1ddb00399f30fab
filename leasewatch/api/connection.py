"""One connection to the Varlink socket: bytes become whole calls, and replies leave at its pace.

In: what the peer sends, and who it is. Out: `ready` is called while a call waits to be taken. It
knows how calls are separated (https://varlink.org/Method-Call), not what they mean.

What must hold: a peer costs a bounded amount of memory. It has IDLE_SECONDS to send a whole call,
and as long to take a whole reply. Only a call that waits may take as long as it takes, and, with
`keep_idle`, the silence between two calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final, cast

from leasewatch.api.interface import MAX_CALL

IDLE_SECONDS: Final = 30.0
UNSENT: Final = 64 * 1024
"""Bytes that wait to be sent before a reply pauses."""
_RECEIVED: Final = memoryview(bytearray(64 * 1024))
"""What was just received, for all connections: it is taken out at once."""


class Connection(asyncio.BufferedProtocol):
    """`ready` gets it when a call is there; take it with `call` and then `run` or `finish`.

    `ended` is called once when it is over, with whether the peer is at fault.
    """

    def __init__(
        self,
        ready: Callable[[Connection], None],
        ended: Callable[[Connection, bool], None],
        *,
        keep_idle: bool = False,
    ) -> None:
        self._ready = ready
        self._ended = ended
        self._keep_idle = keep_idle
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._busy = False
        """A call was passed to `ready`, or is being answered."""
        self._patient = False
        """The call that is being answered waits."""
        self._hung_up = self._faulty = self._at_end = False
        self.over = asyncio.get_running_loop().create_future()
        """Done when nothing of it is left."""
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        """When the peer began to be waited for."""
        self._watch: asyncio.TimerHandle | None = None
        self._drained: asyncio.Future[None] | None = None
        """Set while the peer does not read."""

    # What the server does.

    @property
    def is_over(self) -> bool:
        """Whether the peer has left, or was cut off."""
        return self._hung_up

    def hang_up(self, *, faulty: bool = False) -> None:
        """End it now; what was not sent yet is lost."""
        self._hung_up = True
        self._faulty |= faulty
        if self._transport is not None:
            self._transport.abort()

    def call(self) -> bytes:
        """The next call, without its NUL."""
        end = self._received.index(0)
        call = bytes(self._received[:end])
        del self._received[: end + 1]
        if self._transport is not None and len(self._received) <= MAX_CALL:
            self._transport.resume_reading()
        self._since = self._loop.time()
        return call

    def run(self, answer: Coroutine[None, None, None], *, patient: bool) -> None:
        """Answer the call in a task, which ends with the connection; then `finish`."""
        self._patient = patient
        self._task = self._loop.create_task(answer)
        self._task.add_done_callback(self._answered)

    def finish(self) -> None:
        """The call is answered: go on with the next one, once the peer has read."""
        if self._drained is not None:
            self._drained.add_done_callback(lambda _: self.finish())
            return
        self._busy = self._patient = False
        self._since = self._loop.time()
        self._look()

    def write(self, reply: bytes) -> None:
        """Send it, now or when the peer reads."""
        if self._transport is not None and not self._hung_up:
            self._transport.write(reply)

    async def drain(self) -> None:
        """Wait until the peer has read most of what was written."""
        if self._drained is not None:
            await self._drained

    # What the event loop does.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is ready, unless it was ended meanwhile."""
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(UNSENT)
        self._watch = self._loop.call_later(IDLE_SECONDS, self._time_passed)
        if self._hung_up:
            transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the event loop puts what it receives."""
        del sizehint
        return _RECEIVED

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was received."""
        if self._is_idle():
            self._since = self._loop.time()
        self._received += _RECEIVED[:nbytes]
        if not self._busy:
            self._look()
        elif len(self._received) > MAX_CALL and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The peer sends no more: answer what it has sent, but wait for nothing else."""
        self._at_end = True
        if self._patient:
            self.hang_up()
        elif not self._busy:
            self._look()
        return True

    def pause_writing(self) -> None:
        """The peer does not read."""
        self._drained = self._loop.create_future()
        if self._patient:
            self._since = self._loop.time()

    def resume_writing(self) -> None:
        """It has read."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        del exc
        self._hung_up = True
        self._transport = None
        if self._watch is not None:
            self._watch.cancel()
        if self._task is not None:
            self._task.cancel()
        self._ended(self, self._faulty)
        self.over.set_result(None)

    def _look(self) -> None:
        """Whether there is a whole call, or what can become one."""
        if self._hung_up or self._transport is None:
            return
        end = self._received.find(0, 0, MAX_CALL)
        if end >= 0:
            self._busy = True
            self._ready(self)
        elif len(self._received) >= MAX_CALL:
            self.hang_up(faulty=True)
        elif self._at_end:
            self._transport.close()  # once all is sent

    def _is_idle(self) -> bool:
        """Whether the peer may be silent: it has sent nothing since the last reply."""
        return self._keep_idle and not self._busy and not self._received

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self.finish()
        else:
            self.hang_up(faulty=True)
            if not isinstance(error, ConnectionError):
                raise error

    def _time_passed(self) -> None:
        """End it if the peer was waited for too long."""
        limited = not (self._patient or self._is_idle()) or self._drained is not None
        late = (self._since if limited else self._loop.time()) + IDLE_SECONDS
        if late <= self._loop.time():
            self.hang_up(faulty=True)
        else:
            self._watch = self._loop.call_at(late, self._time_passed)
