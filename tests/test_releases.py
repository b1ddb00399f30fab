"""A version has one number everywhere, and each change since then has a file that says so."""

from __future__ import annotations

import re
from pathlib import Path

import nss_pyvirt

ROOT = Path(__file__).parents[1]
KINDS = {"added", "changed", "fixed", "removed", "security"}


def test_the_changelog_and_the_man_pages_have_the_version_of_the_program() -> None:
    assert re.fullmatch(r"20\d\d\.[1-9]\d*\.\d+", nss_pyvirt.__version__)
    (newest, *_) = re.findall(r"^## (\S+) - ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest == nss_pyvirt.__version__
    for page in (ROOT / "packaging/man").iterdir():
        assert f'"nss\\-pyvirt {newest}"' in page.read_text().partition("\n")[0]


def test_a_change_has_a_kind_and_a_text_without_a_bullet() -> None:
    changes = {file for file in (ROOT / "packaging/changes").iterdir() if file.name != "README.md"}
    for file in changes:
        assert re.fullmatch(rf"[a-z0-9-]+\.({'|'.join(KINDS)})\.md", file.name), file.name
        assert re.match(r"[^\s#*-]", file.read_text()), file.name
