"""A page of each source: README, other Markdown, manual pages, rooms, headers, interfaces."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from handbook import manual, markdown
from handbook.pages import Heading, Page
from nss_pyvirt.errors import UserError

GUIDE, MANUAL, INSIDE = "Use it", "Manual pages", "Inside"
DESIGN = "leasewatch/DESIGN.md"
ROOMS, HEADERS, INTERFACES = "rooms.html", "headers.html", "varlink.html"


def page_files(root: Path) -> dict[str, str]:
    """The page of each source that may be linked to, by its path in the checkout."""
    files = {"README.md": "guide.html"}
    files |= {f"leasewatch/{md.name}": _html(md.stem) for md in root.glob("leasewatch/*.md")}
    notes = root.glob("packaging/*/README.md")
    files |= {f"packaging/{md.parent.name}/README.md": _html(md.parent.name) for md in notes}
    files |= {f"packaging/man/{man.name}": _html(man.name) for man in _manuals(root)}
    if (root / "CHANGELOG.md").exists():
        files["CHANGELOG.md"] = "changelog.html"
    return files


def _html(name: str) -> str:
    return f"{name.lower()}.html"


def _manuals(root: Path) -> list[Path]:
    return sorted(root.glob("packaging/man/*.[1-8]"), key=lambda page: (page.suffix, page.name))


def pages(root: Path) -> Iterator[Page]:
    """Every page but the start page, in the order of the navigation: pages as README lists them."""
    files = page_files(root)
    yield _document(root, "README.md", files, GUIDE, title="Guide")
    listed = (root / "README.md").read_text().partition("\n## Read on\n")[2]
    for source in sorted(set(files) - {DESIGN}, key=listed.find):
        if re.match(r"leasewatch/.*\.md", source):
            yield _document(root, source, files, GUIDE)
    if "CHANGELOG.md" in files:
        yield _document(root, "CHANGELOG.md", files, GUIDE)
    for man in _manuals(root):
        body, headings = manual.render(man)
        source = f"packaging/man/{man.name}"
        title = f"{man.stem}({man.suffix[1:]})"
        yield Page(files[source], title, MANUAL, body, headings, source)
    design, rooms = _document(root, DESIGN, files, INSIDE, title="Design"), _rooms(root)
    yield replace(design, body=_link_rooms(design.body, rooms))
    yield rooms
    yield _headers(root)
    yield _interfaces(root)
    for source in sorted(files):
        if re.match(r"packaging/.*\.md", source):
            yield _document(root, source, files, INSIDE, title=str(Path(source).parent))


def _document(
    root: Path, source: str, files: dict[str, str], group: str, *, title: str = ""
) -> Page:
    made = markdown.render((root / source).read_text(), source, files)
    return Page(files[source], title or made.title, group, made.body, made.headings, source)


def _collected(file: str, title: str, lead: str, parts: dict[str, str], source: str) -> Page:
    """A page of several sources: `parts` has the Markdown of each below its name."""
    anchors = markdown.Anchors()
    body, headings = [f'<p class="lead">{lead}</p>\n'], []
    for name, text in parts.items():
        anchor = anchors.of(name)
        headings.append(Heading(2, name, anchor))
        body.append(
            f'<h2 id="{anchor}"><code>{name}</code>{markdown.anchor_link(anchor)}</h2>\n'
            f"{markdown.render(text, source, {}).body}"
        )
    return Page(file, title, INSIDE, "".join(body), tuple(headings), source)


def _rooms(root: Path) -> Page:
    parts = {}
    packages = [*root.glob("leasewatch/**/__init__.py"), *root.glob("nss_pyvirt/**/__init__.py")]
    for file in sorted(packages):
        text = ast.get_docstring(ast.parse(file.read_text())) or ""
        text = re.sub(r"(?m)^(In|Out): ", r"\n**\1:** ", text)
        parts[f"{file.parent.relative_to(root)}/"] = text
    lead = "Each package is a room. Its docstring says what comes in, what goes out and what holds."
    return _collected(ROOMS, "Rooms", lead, parts, "a docstring")


def _link_rooms(body: str, rooms: Page) -> str:
    """Make a link of each `room/` that is a package."""
    anchors = {heading.text: heading.anchor for heading in rooms.headings}

    def link(found: re.Match[str]) -> str:
        for folder in ("", "leasewatch/", "leasewatch/pyvirt/"):
            if anchor := anchors.get(folder + found[1]):
                return f'<a href="{ROOMS}#{anchor}">{found[0]}</a>'
        return found[0]

    return re.sub(r"<code>([\w/]+/)</code>", link, body)


def _headers(root: Path) -> Page:
    parts = {}
    for file in sorted(root.glob("csrc/*.h")):
        text = file.read_text()
        top = _top(file, r"/\*(.*?)\*/\n")
        prose = re.sub(r"(?m)^ \* ?", "", top[1]).strip()
        rest = re.sub(r"(?m)^#(ifndef|define|endif|include)( PV_\w+_H\b.*| [<\"].*)?$", "", text)
        rest = re.sub(r"\n{3,}", "\n\n", rest[len(top[0]) :]).strip()
        parts[f"csrc/{file.name}"] = f"{prose}\n\n```c\n{rest}\n```\n"
    lead = "The NSS module and the host table in C. Each header is a contract."
    return _collected(HEADERS, "C headers", lead, parts, "a header of csrc")


def _interfaces(root: Path) -> Page:
    parts = {}
    for file in sorted(root.glob("packaging/varlink/*.varlink")):
        text = file.read_text()
        top = _top(file, r"(?:#[^\n]*\n)+")
        prose = re.sub(r"(?m)^# ?", "", top[0])
        rest = text[len(top[0]) :].strip()
        parts[file.stem] = f"{prose}\n```varlink\n{rest}\n```\n"
    lead = "What programs may ask the services, over Varlink."
    return _collected(INTERFACES, "Varlink interfaces", lead, parts, "a Varlink interface")


def _top(file: Path, pattern: str) -> re.Match[str]:
    """The comment that a file begins with."""
    found = re.match(pattern, file.read_text(), re.DOTALL)
    if found is None:
        raise UserError(f"{file} does not begin with a comment", "say what it is for")
    return found
