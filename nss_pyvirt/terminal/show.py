"""How times and addresses look to a person. Arguments to text: no file, no clock."""

from __future__ import annotations

import re
import socket
import time


def expiry(expires: int | None, now: float) -> str:
    """How long a lease lasts: `6d 23h`, `12m 5s`, `never` (None), `ended`."""
    if expires is None:
        return "never"
    left = int(expires - now)
    return _duration(left) if left > 0 else "ended"


def age(then: float, now: float) -> str:
    """How long ago: `3h 12m`, `now`."""
    passed = int(now - then)
    return _duration(passed) if passed > 0 else "now"


def moment(then: float) -> str:
    """A time of the past, local: `2026-11-26 14:30:05`."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(then))


def natural(text: str) -> list[str | int]:
    """The key by which a person sorts: `host2` before `host10`, in whatever case."""
    parts = re.split(r"([0-9]+)", text.lower())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]


def _duration(whole: int) -> str:
    """Seconds, at least one, in the two largest units."""
    days, hours, minutes, seconds = whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    while not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{count}{unit}" for count, unit in parts[:2])


def address(text: str, ifindex: int) -> str:
    """The address as programs take it; a link-local one needs its interface (RFC 4007)."""
    if not ifindex:
        return text
    try:
        return f"{text}%{socket.if_indextoname(ifindex)}"
    except OSError:
        return f"{text}%{ifindex}"
