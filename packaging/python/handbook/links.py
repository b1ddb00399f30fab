"""Checks that every link of the finished pages leads somewhere."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from urllib.parse import unquote


class _Reader(HTMLParser):
    """The ids of a page, and what it refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.needed: list[str] = []
        self.nested: list[str] = []
        self._in_link = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if name := found.get("id"):
            self.ids.append(name)
        references = [found[key] or "" for key in ("href", "src") if key in found]
        self.references += references
        self.needed += references if tag != "a" else []
        if tag == "a":
            self.nested += references if self._in_link else []
            self._in_link = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._in_link = False


def faults(files: Mapping[str, str], others: set[str]) -> list[str]:
    """One line for each link that leads nowhere or is in another, and each id that is there twice.

    `files` has the text of each page, `others` the names of further files. Links to other hosts
    are not followed; only a link may name one, never a picture or a style sheet.
    """
    read = {name: _Reader(text) for name, text in files.items()}
    found = []
    for name, page in read.items():
        found += [f"{name} has a link to {i} inside another link" for i in page.nested]
        found += [f"{name} has the id {i} twice" for i in _repeated(page.ids)]
        for reference in dict.fromkeys(page.references):
            if reference.startswith(("https://", "http://", "mailto:")):
                if reference in page.needed:
                    found.append(f"{name} needs {reference}, which is on another host")
                continue
            file, _, fragment = reference.partition("#")
            target = file or name
            known = target in others or (
                target in read and (not fragment or unquote(fragment) in read[target].ids)
            )
            if not known:
                found.append(f"{name} links to {reference}, which is not there")
    return found


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
