"""Version numbers: YEAR.N.PATCH, where N counts the year's releases. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, Self

from nss_pyvirt.errors import UserError


class Version(NamedTuple):
    """One version; later ones are greater."""

    year: int
    number: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The version that a text is; UserError where it is none."""
        if not re.fullmatch(r"20\d\d\.[1-9]\d{0,3}\.(0|[1-9]\d{0,3})", text):
            hint = "write YEAR.N.PATCH, e.g. 2026.1.0"
            raise UserError(f'"{text}" is not a version', hint, "invalid")
        return cls(*map(int, text.split(".")))

    def __str__(self) -> str:
        return f"{self.year}.{self.number}.{self.patch}"


def check_next(wanted: Version, current: Version, released: Iterable[Version], year: int) -> None:
    """UserError where `wanted` cannot follow.

    `current`: the tree's version, which need not be released yet. `year`: today's.
    """
    last = max(released, default=None)
    following = _following(last, year) if last else [current]
    hint = f"packaging/release {' or '.join(map(str, following))}"
    if wanted.year > year:
        raise UserError(f"the year {wanted.year} has not begun", hint, "invalid")
    if last and wanted <= last:
        raise UserError(f"{wanted} does not follow {last}, the last release", hint, "invalid")
    if wanted < current:
        raise UserError(f"{wanted} is lower than the tree's version, {current}", hint, "invalid")


def _following(last: Version, year: int) -> list[Version]:
    """What may come next: the year's next release, and a repair of the last."""
    number = last.number + 1 if last.year == year else 1
    return [Version(year, number, 0), last._replace(patch=last.patch + 1)]
