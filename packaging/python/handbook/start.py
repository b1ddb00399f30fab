"""The start page. Its text is start.html; the transcript and the installation are README's own."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from pathlib import Path

from handbook import markdown, recording
from handbook.pages import Page
from nss_pyvirt.errors import UserError

START = Path(__file__).with_name("start.html")
CAST = Path(__file__).with_name("launch.cast")


def page(root: Path, files: Mapping[str, str]) -> Page:
    """Make it. Raises UserError if README lacks what it shows."""
    readme = (root / "README.md").read_text()
    top = re.search(r"^```console\n.*?^```$", readme, re.DOTALL | re.MULTILINE)
    if top is None:
        raise UserError("README.md has no console block")
    body = string.Template(START.read_text()).substitute(
        transcript=_rendered(top[0], files),
        install=_rendered(_installation(readme), files),
        recording=recording.section(CAST) if CAST.exists() else "",
    )
    return Page("index.html", "nss-pyvirt", "", body, (), "README.md")


def _rendered(text: str, files: Mapping[str, str]) -> str:
    return markdown.render(text, "README.md", files, here=files["README.md"]).body


def _installation(readme: str) -> str:
    """The beginning of the first section about it, up to the end of its first commands."""
    section = r"^## Install[^\n]*\n(.*?^```\n)"
    found = re.search(section, readme, re.DOTALL | re.MULTILINE)
    if found is None:
        raise UserError("README.md has no section Install with commands")
    return found[1]
