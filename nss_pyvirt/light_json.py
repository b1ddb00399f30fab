"""json.loads without the module json, whose import takes 5 ms."""

from __future__ import annotations

from _json import make_scanner

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Any


class _Settings:
    """How json.loads reads."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float


_scan = make_scanner(_Settings)  # type: ignore[arg-type]  # it only reads the settings


def loads(text: str) -> Any:
    """The value with which the text begins; ValueError if that is no JSON."""
    try:
        return _scan(text, 0)[0]
    except (StopIteration, SystemError):  # Python 3.11 cannot say what is wrong without json
        raise ValueError("no JSON") from None
