"""CHANGELOG.md (Keep a Changelog), and the small files that its next section is made of. Pure.

A section begins with `## VERSION - DATE`, or `## VERSION - unreleased` until its release. Below it
each kind of change has a heading and a bullet a change.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import Final

from nss_pyvirt.errors import UserError

KINDS: Final = ("added", "changed", "fixed", "removed", "security")
_NAME: Final = re.compile(rf"[a-z0-9-]+\.({'|'.join(KINDS)})\.md")
_UNRELEASED: Final = "unreleased"
_WIDTH: Final = 150


def kind_of(name: str, text: str) -> str:
    """The kind of a change by the name of its file; UserError where name or text is wrong."""
    match = _NAME.fullmatch(name)
    if match is None:
        hint = f"call it NAME.KIND.md; KIND is one of {', '.join(KINDS)}"
        raise UserError(f"packaging/changes/{name} has no kind of change in its name", hint)
    if not re.match(r"[^\s#*-]", text) or "\n\n" in text.strip():
        hint = "write one paragraph, without heading and bullet"
        raise UserError(f"packaging/changes/{name} is not the text of a change", hint)
    return match[1]


def with_release(text: str, version: str, date: str, changes: Mapping[str, str]) -> str:
    """CHANGELOG.md with the section of `version`; `changes` has the text of each file by its name.

    The version's unreleased section, if it is there, gets the changes, else a new one in front.
    UserError where there is nothing to tell, or the version has a date already.
    """
    head, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    kept = ""
    if sections and sections[0].startswith(f"## {version} - "):
        title, _, kept = sections.pop(0).partition("\n")
        if not title.endswith(f"- {_UNRELEASED}"):
            hint = "packaging/release --help"
            raise UserError(f"CHANGELOG.md has {version} as released already", hint, "exists")
    elif not changes:
        hint = "see packaging/changes/README.md"
        raise UserError("nothing has changed: packaging/changes has no file", hint, "missing")
    section = f"## {version} - {date}\n\n{_merged(kept, changes)}"
    return "".join([head, section, *(["\n", *sections] if sections else [])])


def _merged(kept: str, changes: Mapping[str, str]) -> str:
    """A section's text below its title, with the changes at the end of their kinds."""
    first, *rest = re.split(r"^### ", kept, flags=re.MULTILINE)
    found = {title.lower(): body for title, _, body in (part.partition("\n") for part in rest)}
    for name in sorted(changes):
        kind = kind_of(name, changes[name])
        found[kind] = f"{found.get(kind, '').strip()}\n{_bullet(changes[name])}"
    parts = [first.strip()] if first.strip() else []
    parts += [f"### {kind.title()}\n\n{found[kind].strip()}" for kind in KINDS if kind in found]
    return "\n\n".join(parts) + "\n"


def _bullet(text: str) -> str:
    words = textwrap.TextWrapper(
        _WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
    )
    words.break_long_words = False
    return words.fill(" ".join(text.split()))
