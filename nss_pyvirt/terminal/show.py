"""Times and addresses as text for people. Pure: the clock is an argument."""

from __future__ import annotations

import re
import socket
import time


def expiry(expires: int | None, now: float) -> str:
    """The time left: `6d 23h`, `12m 5s`, `never` (None) or `ended`."""
    if expires is None:
        return "never"
    left = int(expires - now)
    return _duration(left) if left > 0 else "ended"


def age(then: float, now: float) -> str:
    """The time since then: `3h 12m`, `now`."""
    passed = int(now - then)
    return _duration(passed) if passed > 0 else "now"


def moment(then: float) -> str:
    """A local time: `2026-11-26 14:30:05`."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(then))


def natural(text: str) -> list[str | int]:
    """A sort key that puts `host2` before `host10` and ignores case."""
    parts = re.split(r"([0-9]+)", text.lower())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]


def _duration(whole: int) -> str:
    """One second or more, in its two largest units."""
    days, hours, minutes, seconds = whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    while not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{count}{unit}" for count, unit in parts[:2])


def address(text: str, ifindex: int) -> str:
    """The address as programs accept it: a link-local one with its interface (RFC 4007)."""
    if not ifindex:
        return text
    try:
        return f"{text}%{socket.if_indextoname(ifindex)}"
    except OSError:
        return f"{text}%{ifindex}"
