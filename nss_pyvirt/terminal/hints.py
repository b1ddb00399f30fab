"""What a wrong name was probably meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def likely(name: str, known: Iterable[str]) -> str | None:
    """The one of the `known` names that was perhaps meant, in whatever case."""
    spelt = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), spelt, n=1)
    return spelt[close[0]] if close else None
