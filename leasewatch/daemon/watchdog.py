"""systemd's watchdog (WatchdogSec=): systemd restarts a service that is stopped or hangs.

A large change of many names keeps the event loop busy for long, on a slow machine for longer than
the limit. So a thread reports, while the loop turns or works: a loop that hangs uses no processor.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Final

from leasewatch.daemon import notify
from leasewatch.daemon.alarm import Alarm

LONGEST: Final = 60.0
"""Seconds of processor time after which a loop that has not turned counts as endless."""
_LEAST: Final = 0.001
"""Seconds of processor time between two reports of a loop that works."""
_REPORTS: Final = 4
"""How often within the limit the thread reports: systemd may read a report late."""


class Watchdog:
    """Reports for the event loop that starts it; does nothing if systemd sets no limit."""

    def __init__(self) -> None:
        self._seconds = limit() / _REPORTS
        self._turn = Alarm(self._turned)
        self._pulse = Pulse()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Report from now on."""
        if self._seconds:
            self._turned()
            clock = time.pthread_getcpuclockid(threading.get_ident())
            threading.Thread(target=self._run, args=(clock,), daemon=True).start()

    def stop(self) -> None:
        """Report no more."""
        self._turn.cancel()
        self._stopped.set()

    def _turned(self) -> None:
        self._pulse.turns += 1
        self._turn.set(self._seconds / 2)

    def _run(self, clock: int) -> None:
        while not self._stopped.wait(self._seconds):
            if self._pulse.is_alive(time.clock_gettime(clock)):
                notify.notify("WATCHDOG=1")


class Pulse:
    """Whether the loop is alive, by its turns and its processor time. Reads no clock."""

    def __init__(self) -> None:
        self.turns = 0
        """How often the loop has come around."""
        self._seen = 0
        self._spent = 0.0
        self._at_turn = 0.0
        """Processor time when the last turn was seen."""

    def is_alive(self, spent: float) -> bool:
        """Whether it has turned or worked since the last call; `spent`: processor time so far."""
        before, self._spent = self._spent, spent
        if self._seen != self.turns:
            self._seen, self._at_turn = self.turns, spent
            return True
        return spent - before >= _LEAST and spent - self._at_turn < LONGEST


def limit() -> float:
    """After how many seconds without a report systemd kills this process; 0: never."""
    wanted, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    is_ours = pid in {"", str(os.getpid())}  # sd_watchdog_enabled(3)
    return int(wanted) / 1e6 if is_ours and wanted.isdigit() else 0.0
