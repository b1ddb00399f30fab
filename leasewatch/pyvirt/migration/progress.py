"""How far a migration is, in words: from what QEMU answers to `query-migrate`. Asks nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from nss_pyvirt.terminal import show
from nss_pyvirt.terminal.status_line import StatusLine, Transfer

_WORDS: Final = {
    "setup": "connecting",
    "pre-switchover": "switching over",
    "device": "switching over",
    "postcopy-paused": "paused: the link is lost",
    "postcopy-recover": "going on",
    "postcopy-recover-setup": "going on",
    "cancelling": "being cancelled",
    "completed": "memory is complete",
}
"""States of `query-migrate` in which no amounts change."""


class Progress:
    """Shows how a domain moves: call `disks` or `memory` as often as you like.

    A terminal has one line, which changes five times a second; a pipe gets a line at the beginning,
    and one every 10 seconds.
    """

    def __init__(self, line: StatusLine, domain: str, host: str) -> None:
        self._line = line
        self._what = f"{domain} to {host}"
        self._state = ""
        self._shown = 0.0
        self._disks = Transfer(line, f"{self._what}: disks")

    def disks(self, done: int, total: int | None) -> None:
        """Bytes that are there, and all."""
        self._disks(done, total)

    def memory(self, answer: Mapping[str, Any]) -> None:
        """The answer to `query-migrate`."""
        now, state = time.monotonic(), answer.get("status", "")
        if state == self._state and now - self._shown < self._line.pace:
            return
        self._state, self._shown = state, now
        self._line(f"{self._what}: {sentence(answer)}")


def sentence(answer: Mapping[str, Any]) -> str:
    """How far memory is: rate, rest, time left, expected downtime, what the guest writes."""
    state = str(answer.get("status", ""))
    memory = answer.get("ram", {})
    if state in _WORDS or not memory.get("total"):
        return _WORDS.get(state, state)
    rest, rate = int(memory.get("remaining", 0)), int(memory.get("mbps", 0) * 1e6 / 8)
    written = int(memory.get("dirty-pages-rate", 0)) * int(memory.get("page-size", 4096))
    parts = [f"memory {100 - 100 * rest // memory['total']} %"]
    if rate:
        parts.append(f"{show.size(rate)}/s")
    parts.append(f"{show.size(rest)} left")
    if rate > written and rest:
        left = rest // (rate - written)
        parts.append(f"{left // 60}:{left % 60:02}")
    if state == "postcopy-active":
        return f"runs there, {', '.join(parts)}"
    if "expected-downtime" in answer:
        parts.append(f"downtime {answer['expected-downtime']} ms")
    if written:
        parts.append(f"writes {show.size(written)}/s")
    if throttled := answer.get("cpu-throttle-percentage"):
        parts.append(f"slowed by {throttled} %")
    return ", ".join(parts)
