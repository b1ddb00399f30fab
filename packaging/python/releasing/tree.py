"""Give a tree a new version: `python -m releasing.tree [--check] VERSION DATE TAG…`.

The tree is the current folder, DATE is today's (YYYY-MM-DD), and the TAGs are those of git. With
--check nothing is written. Exit code 1: it cannot be done, and two lines on stderr say why.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from nss_pyvirt.errors import UserError
from releasing import changelog
from releasing.versions import Version, check_next

_CHANGES = Path("packaging/changes")
_MAN = Path("packaging/man")
_PACKAGE = Path("nss_pyvirt/__init__.py")
_VERSION = re.compile(r'^__version__ = "(.*)"$', re.MULTILINE)


def version(tree: Path) -> Version:
    """The version that the tree has; UserError where it says none."""
    found = _VERSION.findall((tree / _PACKAGE).read_text())
    return Version.parse(found[0] if found else "")


def changes(tree: Path) -> dict[str, str]:
    """The text of each file of a change, by its name."""
    files = (file for file in (tree / _CHANGES).iterdir() if file.name != "README.md")
    return {file.name: file.read_text() for file in files}


def released(tree: Path, wanted: Version, date: str, tags: Sequence[str]) -> dict[Path, str | None]:
    """Each file of the tree that the release changes, with its new text; None: it goes.

    UserError where the version cannot be released.
    """
    former = [Version.parse(tag[1:]) for tag in tags if re.match(r"v\d", tag)]
    check_next(wanted, version(tree), former, int(date[:4]))
    log, package = tree / "CHANGELOG.md", tree / _PACKAGE
    found = changes(tree)
    result: dict[Path, str | None] = dict.fromkeys(tree / _CHANGES / name for name in found)
    result[log] = changelog.with_release(log.read_text(), str(wanted), date, found)
    result[package] = _VERSION.sub(f'__version__ = "{wanted}"', package.read_text())
    for page in sorted((tree / _MAN).iterdir()):
        result[page] = _dated(page.read_text(), str(wanted), date)
    return result


def _dated(page: str, version: str, date: str) -> str:
    """A manual page whose last line has this version and date (man(7), .TH)."""
    day = date.replace("-", r"\-")
    changed = rf'{day} "nss\-pyvirt {version}"'
    return re.sub(
        r'^(\.TH \S+ \d) \S+ "nss\\-pyvirt [^"]*"', lambda found: f"{found[1]} {changed}", page
    )


def main(argv: Sequence[str]) -> int:
    """Check or do it; the exit code."""
    is_check = "--check" in argv
    wanted, date, *tags = (word for word in argv if word != "--check")
    try:
        new = released(Path(), Version.parse(wanted), date, tags)
    except UserError as error:
        sys.stderr.write(f"release: {error.what}\n  hint: {error.hint}\n")
        return 1
    for file, text in new.items():
        if is_check:
            continue
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
