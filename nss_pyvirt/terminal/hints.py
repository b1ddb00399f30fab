"""Suggest the name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def likely(name: str, known: Iterable[str]) -> str | None:
    """The most similar of the `known` names, ignoring case; None if none is similar."""
    import difflib  # noqa: PLC0415  start-up time

    spelt = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), spelt, n=1)
    return spelt[close[0]] if close else None
