"""Puts the body of each page into layout.html, with the navigation."""

from __future__ import annotations

import html
import itertools
import string
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

import nss_pyvirt
from handbook import manual, sources
from handbook.pages import Page

LAYOUT = Path(__file__).with_name("layout.html")
GUIDE = "guide.html"
SHORT = {GUIDE: "Guide", "leasewatch.1.html": "Manual", "design.html": "Design"}
"""The links at the top of each page; all others are in the navigation."""


def files(pages: Sequence[Page], root: Path) -> dict[str, str]:
    """The text of each page's file; the first page is the start page."""
    settings = tomllib.loads((root / "pyproject.toml").read_text())
    layout = string.Template(LAYOUT.read_text())
    start, *others = pages
    named = sources.page_files(root)
    made = {}
    for page in pages:
        body = manual.link_names(page.body, named, page.file)
        if page is not start:
            body = f"<h1>{html.escape(page.title)}</h1>\n{body}\n{_neighbours(page, others)}"
        name = "nss-pyvirt" if page is start else f"{page.title} · nss-pyvirt"
        made[page.file] = layout.substitute(
            title=html.escape(name),
            description=html.escape(settings["project"]["description"]),
            kind="start" if page is start else "text",
            links="\n".join(_link(file, text, page.file) for file, text in SHORT.items()),
            navigation=_navigation(page, others),
            body=body,
            version=nss_pyvirt.__version__,
        )
    return made


def _link(file: str, text: str, here: str) -> str:
    current = ' aria-current="page"' if file == here else ""
    return f'<a href="{file}"{current}>{html.escape(text)}</a>'


def _navigation(current: Page, pages: Iterable[Page]) -> str:
    """Every page by its group. The current one shows its sections; the start page, the guide's."""
    parts = []
    for group, members in itertools.groupby(pages, key=lambda page: page.group):
        parts.append(f'<p class="group">{group}</p>\n<ul>')
        for page in members:
            shown = ""
            if page.file == (GUIDE if current.file == "index.html" else current.file):
                shown = _sections(page, current)
            parts.append(f"<li>{_link(page.file, page.title, current.file)}{shown}</li>")
        parts.append("</ul>")
    return "\n".join(parts)


def _sections(page: Page, current: Page) -> str:
    """The headings below a page's own name; the smaller ones of a manual page are its commands."""
    prefix = "" if page.file == current.file else page.file
    levels = {2, 3} if page.group == sources.MANUAL else {2}
    items = [
        f'<li class="level{one.level}"><a href="{prefix}#{html.escape(one.anchor)}">'
        f"{html.escape(one.text)}</a></li>"
        for one in page.headings
        if one.level in levels
    ]
    return "\n<ul>\n" + "\n".join(items) + "\n</ul>\n" if items else ""


def _neighbours(page: Page, pages: Sequence[Page]) -> str:
    at = pages.index(page)
    links = []
    if at > 0:
        links.append(f'<a rel="prev" href="{pages[at - 1].file}">{pages[at - 1].title}</a>')
    if at + 1 < len(pages):
        links.append(f'<a rel="next" href="{pages[at + 1].file}">{pages[at + 1].title}</a>')
    return '<nav class="neighbours" aria-label="Neighbours">' + "\n".join(links) + "</nav>"
