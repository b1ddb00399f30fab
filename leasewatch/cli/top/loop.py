"""The loop of `leasewatch top`: events, keys and signals in, drawings out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from typing import Final

from leasewatch.cli.top import drawing, link, view
from leasewatch.cli.top.state import State
from leasewatch.cli.top.terminal import Terminal
from leasewatch.cli.top.view import View
from leasewatch.paths import Paths

DRAW_SECONDS: Final = 0.1
"""The least time between two drawings…"""
CLOCK_SECONDS: Final = 1.0
"""…and the longest: ages grow."""
DRAW_SHARE: Final = 4
"""How many times as long as it draws it only takes events: 100,000 rows take long to sort."""
_KEYS: Final = 1024


def run(paths: Paths) -> int:
    """Show the service until the user leaves; the exit code."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    return asyncio.run(_Top(paths).run())


class _Top:
    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._state, self._view = State(), View()
        self._dirty = asyncio.Event()
        self._followers: list[asyncio.Task[None]] = []
        self._ending: int | None = None
        """The exit code, once it is time to leave."""

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(number, self._end, 128 + number)
        loop.add_signal_handler(signal.SIGWINCH, self._dirty.set)
        with Terminal() as terminal:
            loop.add_signal_handler(signal.SIGTSTP, self._suspend, terminal)
            loop.add_reader(terminal.keys, self._read, terminal.keys)
            self._followers = [
                asyncio.create_task(follow(self._paths, self._state, self._dirty.set))
                for follow in (link.follow, link.follow_sources)
            ]
            try:
                return await self._draw(terminal)
            finally:
                loop.remove_reader(terminal.keys)
                for follower in self._followers:
                    follower.cancel()

    async def _draw(self, terminal: Terminal) -> int:
        """Draw until it is time to leave; the exit code."""
        while self._ending is None:
            self._dirty.clear()
            began = time.monotonic()
            width, height = terminal.size
            now = time.time()
            terminal.draw(
                drawing.lines(self._state, self._view, now=now, width=width, height=height)
            )
            took = time.monotonic() - began
            await asyncio.sleep(max(DRAW_SECONDS, DRAW_SHARE * took))
            for follower in self._followers:
                if follower.done():
                    follower.result()  # raises what is wrong with us
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOCK_SECONDS):
                    await self._dirty.wait()
        return self._ending

    def _read(self, keys: int) -> None:
        try:
            data = os.read(keys, _KEYS)
        except OSError:  # the terminal is gone
            data = b""
        if not data:
            self._end(128 + signal.SIGHUP)
        for key in view.keys(data):
            pressed = view.press(self._view, key, self._state.networks())
            if pressed is None:
                self._end(0)
                return
            self._view = pressed
        self._dirty.set()

    def _suspend(self, terminal: Terminal) -> None:
        """Ctrl-Z: give the terminal back until we are continued."""
        terminal.leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        terminal.enter()
        self._dirty.set()

    def _end(self, code: int) -> None:
        if self._ending is None:
            self._ending = code
        self._dirty.set()
