"""Times and addresses as text for people. Pure: the clock is an argument."""

from __future__ import annotations

import _socket  # socket takes 7 ms
import time
from itertools import groupby

_DIGITS = "0123456789"
_DIGIT = frozenset(_DIGITS)


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


def size(count: int) -> str:
    """A number of bytes: `2G`, `2.2G`, `8M`."""
    unit = min(4, max(0, (count.bit_length() - 1) // 10))
    text = f"{count / (1 << 10 * unit):.1f}".removesuffix(".0")
    return text + ("", "K", "M", "G", "T")[unit]


def natural(text: str) -> list[str | int]:
    """A sort key that puts `host2` before `host10` and ignores case.

    It has text and numbers in turns, text first.
    """
    text = text.lower()
    stem = text.rstrip(_DIGITS)
    if _DIGIT.isdisjoint(stem):  # most names, four times as fast
        return [stem, int(text[len(stem) :])] if stem != text else [stem]
    parts: list[str | int] = []
    for is_number, run in groupby(text, _DIGIT.__contains__):
        piece = "".join(run)
        if is_number:
            parts += [int(piece)] if parts else ["", int(piece)]
        else:
            parts.append(piece)
    return parts


def _duration(whole: int) -> str:
    """One second or more, in its two largest units."""
    if whole >= 86400:
        return f"{whole // 86400}d {whole // 3600 % 24}h"
    if whole >= 3600:
        return f"{whole // 3600}h {whole // 60 % 60}m"
    return f"{whole // 60}m {whole % 60}s" if whole >= 60 else f"{whole}s"


def address(text: str, ifindex: int) -> str:
    """The address as programs accept it: a link-local one with its interface (RFC 4007)."""
    if not ifindex:
        return text
    try:
        return f"{text}%{_socket.if_indextoname(ifindex)}"
    except OSError:
        return f"{text}%{ifindex}"
