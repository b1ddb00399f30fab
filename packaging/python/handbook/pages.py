"""What the other modules exchange."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """A heading of a page: `level` is 2 or 3, `text` is plain, `anchor` its id."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True)
class Page:
    """One HTML file. `body` is HTML; `source` is what a message about it names."""

    file: str
    title: str
    group: str
    body: str
    headings: tuple[Heading, ...]
    source: str
