"""Markdown to HTML: anchors like GitHub's, links between sources, code, tables that scroll."""

from __future__ import annotations

import html
import itertools
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from handbook.pages import Heading
from nss_pyvirt.errors import UserError

_LEXERS = {"sh": "bash", "toml": "toml", "c": "c"}
_COLOURS = HtmlFormatter(nowrap=True)


@dataclass(frozen=True)
class Rendered:
    """A document: its first heading, what follows as HTML, and the headings in that."""

    title: str
    body: str
    headings: tuple[Heading, ...]


@dataclass
class Anchors:
    """Gives each heading of one page an anchor as GitHub does; a second `x` becomes `x-1`."""

    used: dict[str, int] = field(default_factory=dict)

    def of(self, text: str) -> str:
        """The anchor of the next heading."""
        anchor = re.sub(r"[^\w -]", "", text).lower().replace(" ", "-")
        number = self.used[anchor] = self.used.get(anchor, -1) + 1
        return f"{anchor}-{number}" if number else anchor


def render(text: str, source: str, pages: Mapping[str, str], here: str = "") -> Rendered:
    """Render one document.

    `source` is its path in the checkout. `pages` has the page of each source that a link may name.
    `here` is put before links to sections of the same document, for an excerpt on another page.
    """
    parser = _parser()
    tokens = parser.parse(text)
    anchors = Anchors()
    title = ""
    headings = []
    for opening, inline in itertools.pairwise(tokens):
        for child in inline.children or []:
            if child.type == "link_open":
                child.attrs["href"] = target(str(child.attrs["href"]), source, pages, here)
        if opening.type == "heading_open":
            plain = "".join(child.content for child in inline.children or [])
            level = int(opening.tag[1])
            if level == 1:
                title = plain
                opening.hidden = inline.hidden = True
                inline.children, inline.content = [], ""
                tokens[tokens.index(inline) + 1].hidden = True
                continue
            anchor = anchors.of(plain)
            opening.attrs["id"] = anchor
            headings.append(Heading(level, plain, anchor))
    return Rendered(title, parser.renderer.render(tokens, parser.options, {}), tuple(headings))


def target(link: str, source: str, pages: Mapping[str, str], here: str = "") -> str:
    """Where a link of a source leads in the documentation. Raises UserError without a page."""
    if re.match(r"https?:|mailto:", link):
        return link
    path, _, fragment = link.partition("#")
    if not path:
        return f"{here}#{fragment}"
    named = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if named not in pages:
        raise UserError(f"{source} links to {link}, which has no page", "name it without a link")
    return pages[named] + (f"#{fragment}" if fragment else "")


def code(text: str, kind: str) -> str:
    """A block of code; `kind` is the word behind its fence."""
    text = text.rstrip("\n")
    if kind == "console":
        inner = "\n".join(_console_line(line) for line in text.split("\n"))
    elif kind in _LEXERS:
        inner = highlight(text, get_lexer_by_name(_LEXERS[kind]), _COLOURS).rstrip("\n")
    elif kind == "varlink":
        inner = re.sub(r"(?m)^(\s*)(#.*)$", r'\1<span class="c1">\2</span>', html.escape(text))
    else:
        inner = html.escape(text)
    return f'<pre class="code" tabindex="0"><code>{inner}</code></pre>\n'


def _console_line(line: str) -> str:
    """A prompt is not selected with the command, so that what is copied can be typed."""
    if line.startswith("$ "):
        command = html.escape(line[2:])
        return f'<span class="prompt">$ </span><span class="typed">{command}</span>'
    return html.escape(line)


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table")
    parser.renderer.rules |= {  # type: ignore[attr-defined]
        "fence": _rule(lambda token: code(token.content, token.info.strip())),
        "code_block": _rule(lambda token: code(token.content, "")),
        "table_open": _rule(lambda _: '<div class="wide" tabindex="0">\n<table>\n'),
        "table_close": _rule(lambda _: "</table>\n</div>\n"),
        "heading_close": _heading_close,
    }
    return parser


Rule = Callable[[Sequence[Token], int, Any, Any], str]


def _rule(made: Callable[[Token], str]) -> Rule:
    def rule(tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:
        return made(tokens[at])

    return rule


def _heading_close(tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:
    token = tokens[at]
    return "" if token.hidden else f"{anchor_link(str(tokens[at - 2].attrs['id']))}</{token.tag}>\n"


def anchor_link(anchor: str) -> str:
    """The mark beside a heading that links to it."""
    return f'<a class="anchor" href="#{anchor}" aria-label="Link to this section">#</a>'
