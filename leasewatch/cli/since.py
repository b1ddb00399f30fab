"""Times as people write them, as Unix seconds. The clock is an argument."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Final

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART: Final = re.compile(r"([0-9]{1,9})\s*([smhdw])\s*")


def moment(text: str, now: float) -> float:
    """Unix seconds of `90s`, `1h30m`, `2d` (ago), `today`, `yesterday`, a date, a time, or both.

    Dates and times are ISO 8601, and local without an offset. ValueError says what is accepted.
    """
    then = _past(text.strip(), now)
    if then is None:
        raise ValueError("not a time like 2h, 3d, today, yesterday, 14:30 or 2026-11-26T14:30")
    if then > now:
        raise ValueError("that is in the future")
    return then


def _past(text: str, now: float) -> float | None:
    if re.fullmatch(rf"({_PART.pattern})+", text):
        return now - sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(text))
    today = datetime.fromtimestamp(now).date()  # noqa: DTZ006  local time is meant
    if text in {"today", "yesterday"}:
        day = today - timedelta(days=1) if text == "yesterday" else today
        return _midnight(day)
    try:
        if re.fullmatch(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?", text):
            return datetime.combine(
                today, time.fromisoformat(f"0{text}" if text[1] == ":" else text)
            ).timestamp()
        if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        pass
    return None


def _midnight(day: date) -> float:
    return datetime.combine(day, time()).timestamp()
