"""The README and the pages that it leads to, as tests read them: sections, and commands in them."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path(__file__).parents[1]
README = (_ROOT / "README.md").read_text()
_PAGES = sorted(set(_ROOT.glob("leasewatch/*.md")) - {_ROOT / "leasewatch/DESIGN.md"})
TEXT = "\n".join([README, *(page.read_text() for page in _PAGES)])
"""README first. DESIGN.md is for readers of the code."""
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(heading: str) -> str:
    """The text below the one heading that begins so."""
    (found,) = re.findall(rf"^## {heading}.*?(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


def scripts(text: str = TEXT) -> list[str]:
    """The shell blocks, in order."""
    return [block for kind, block in FENCED.findall(text) if kind == "sh"]


def script(heading: str, words: str) -> str:
    """The one shell block below the heading that has these words."""
    (found,) = (block for block in scripts(section(heading)) if words in block)
    return found


def dialogue(text: str = TEXT) -> list[tuple[str, list[str]]]:
    """The commands of the console blocks, each with the lines that it prints."""
    found: list[tuple[str, list[str]]] = []
    for kind, block in FENCED.findall(text):
        for line in block.splitlines() if kind == "console" else []:
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found
