"""Manual pages to HTML, by mandoc."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from pathlib import Path

from handbook.markdown import anchor_link
from handbook.pages import Heading
from nss_pyvirt.errors import UserError

_HEADING = re.compile(
    r'<h([12]) class="S[hs]" id="([^"]*)"><a class="permalink" href="[^"]*">(.*?)</a></h\1>',
    re.DOTALL,
)


def render(page: Path) -> tuple[str, tuple[Heading, ...]]:
    """The body of a manual page, and its headings. Raises UserError without mandoc."""
    if not shutil.which("mandoc"):
        raise UserError("mandoc is missing", "sudo apt install --no-install-recommends mandoc")
    done = subprocess.run(
        ["mandoc", "-T", "html", "-O", "fragment", page], capture_output=True, text=True, check=True
    )
    headings: list[Heading] = []

    def heading(found: re.Match[str]) -> str:
        level, anchor, inner = int(found[1]) + 1, found[2], " ".join(found[3].split())
        plain = html.unescape(re.sub(r"<[^>]*>", "", inner))
        headings.append(Heading(level, _short(plain), anchor))
        return f'<h{level} id="{anchor}">{inner}{anchor_link(anchor)}</h{level}>'

    body = re.sub(r'<table class="(head|foot)">.*?</table>\n?', "", done.stdout, flags=re.DOTALL)
    body = body.replace("<pre>", '<pre class="code" tabindex="0">')
    body = body.replace("<table ", '<div class="wide" tabindex="0"><table ')
    body = body.replace("</table>", "</table></div>")
    return _HEADING.sub(heading, body), tuple(headings)


def _short(heading: str) -> str:
    """`leasewatch list [NAME]...` as `leasewatch list`, for the navigation."""
    return re.sub(r" [\[A-Z].*", "", heading) if heading[:1].islower() else heading


def link_names(body: str, pages: dict[str, str], own: str) -> str:
    """Make a link of each `NAME(SECTION)` that is one of our pages; `own` is the page itself."""

    def link(found: re.Match[str]) -> str:
        if not found[1]:
            return found[0]
        file = pages.get(f"packaging/man/{found[1]}.{found[2]}")
        shown = f'<span class="man">{found[0]}</span>'
        return shown if file in (None, own) else f'<a href="{file}">{shown}</a>'

    kept = r"<a .*?</a>|<(?!/?b>)[^>]*>"  # an attribute may look like a name
    return re.sub(
        rf"{kept}|(?<![\w-])(?:<b>)?(\w[\w-]*)(?:</b>)?\(([1-8])\)", link, body, flags=re.DOTALL
    )
