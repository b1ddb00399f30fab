"""What QEMUs report while a guest moves, and how long it answers no ping."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from leasewatch.pyvirt.domains.qmp_session import QmpSession
from nss_pyvirt.errors import UserError
from tests.bench.timing import BenchError
from tests.system.two_hosts import TwoHosts

_DEADLINE = 120.0


class Times(NamedTuple):
    """Seconds of one move."""

    total: float
    """From QEMU's first word of it until the guest runs there."""
    downtime: float
    """From the guest's stop until it runs there."""
    gap: float
    """The longest time without an answer to a ping."""


class Watch:
    """What both QEMUs report while a guest moves, and its answers to pings."""

    def __init__(self, hosts: TwoHosts, address: str, source: Path, destination: Path) -> None:
        self._hosts, self._paths = hosts, [source, destination]
        self._sessions: dict[int, QmpSession] = {}
        self._seen: dict[str, float] = {}
        self._pings = hosts.kvm1.root / "run/pings"
        within = ("stdbuf", "-oL", "ip", "netns", "exec", "router")
        ping = [*within, "ping", "-n", "-D", "-i", "0.02", address]
        with self._pings.open("w") as file:
            self._ping = hosts.kvm1.spawn(ping, stdout=file)

    def begin(self) -> None:
        """Hear both from now on; without it a QEMU is heard as soon as it listens."""
        for side in (0, 1):
            self._hear(side)

    def follow(self, has_ended: Callable[[], bool]) -> None:
        """Until the guest runs there, or the mover has ended."""
        deadline = time.monotonic() + _DEADLINE
        while "RESUME" not in self._seen and time.monotonic() < deadline:
            ended = has_ended()
            for side in (0, 1):
                self._hear(side)
            if ended:
                return

    def times(self) -> Times:
        """Of the move that `follow` has seen."""
        time.sleep(0.3)
        self._ping.kill()
        self._ping.wait(30)
        for session in self._sessions.values():
            session.close()
        said = self._pings.read_text()
        stamps = [float(stamp) for stamp in re.findall(r"\[(\d+\.\d+)\] \d+ bytes", said)]
        gap = max((b - a for a, b in itertools.pairwise(stamps)), default=0.0)
        try:
            end = self._seen["RESUME"]
            return Times(end - self._seen["MIGRATION"], end - self._seen["STOP"], gap)
        except KeyError as error:
            raise BenchError(f"no event {error} was seen") from None

    def _hear(self, side: int) -> None:
        """Take in what one QEMU has reported. Only its first word on a matter counts."""
        try:
            if side not in self._sessions:
                self._sessions[side] = QmpSession(self._paths[side], 60)
            while (event := self._sessions[side].next_event(time.monotonic() + 0.002)) is not None:
                stamp = event.timestamp["seconds"] + event.timestamp["microseconds"] / 1e6
                if side == (event.event == "RESUME"):
                    self._seen.setdefault(event.event, stamp)
        except UserError:  # it does not listen yet, or has ended
            time.sleep(0.002)
