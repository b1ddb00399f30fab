"""A version has one number everywhere; files of changes make its section of CHANGELOG.md."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import nss_pyvirt
from nss_pyvirt.errors import UserError
from releasing import changelog, tree
from releasing.versions import Version, check_next

ROOT = Path(__file__).parents[1]
LOG = """# Changelog

What changed.

## 2026.1.0 - unreleased

The first release.

### Added

- One thing,
  and more of it.
"""


def test_the_changelog_and_the_man_pages_have_the_version_of_the_program() -> None:
    assert str(tree.version(ROOT)) == nss_pyvirt.__version__
    (newest, *_) = re.findall(r"^## (\S+) - ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest == nss_pyvirt.__version__
    for page in (ROOT / "packaging/man").iterdir():
        assert f'"nss\\-pyvirt {newest}"' in page.read_text().partition("\n")[0]


def test_every_file_of_a_change_has_a_kind_and_a_text() -> None:
    for name, text in tree.changes(ROOT).items():
        assert changelog.kind_of(name, text) in changelog.KINDS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("fix.md", "Text."),
        ("fix.better.md", "Text."),
        ("Fix.fixed.md", "Text."),
        ("fix.fixed.md", ""),
        ("fix.fixed.md", "- Text."),
        ("fix.fixed.md", "## Text"),
        ("fix.fixed.md", "One.\n\nTwo."),
    ],
)
def test_what_is_no_file_of_a_change_is_refused(name: str, text: str) -> None:
    with pytest.raises(UserError, match=name):
        changelog.kind_of(name, text)


def test_an_unreleased_section_gets_the_changes_and_its_date() -> None:
    changes = {"b.fixed.md": "A fault\nis gone.\n", "a.added.md": "Another thing.\n"}
    made = changelog.with_release(LOG, "2026.1.0", "2026-12-01", changes)
    assert made.partition("What changed.\n\n")[2] == (
        "## 2026.1.0 - 2026-12-01\n\nThe first release.\n\n"
        "### Added\n\n- One thing,\n  and more of it.\n- Another thing.\n\n"
        "### Fixed\n\n- A fault is gone.\n"
    )
    with pytest.raises(UserError, match="as released already"):
        changelog.with_release(made, "2026.1.0", "2026-12-02", changes)


def test_a_new_section_stands_in_front_of_the_older_ones_and_has_something_to_tell() -> None:
    former = changelog.with_release(LOG, "2026.1.0", "2026-12-01", {})
    with pytest.raises(UserError, match="nothing has changed"):
        changelog.with_release(former, "2026.1.1", "2026-12-02", {})
    changes = {"a.security.md": "A hole is closed. " * 10}
    made = changelog.with_release(former, "2026.1.1", "2026-12-02", changes)
    head, new, rest = re.split(r"(?=^## )", made, flags=re.MULTILINE)
    assert head + rest == former
    assert new.startswith("## 2026.1.1 - 2026-12-02\n\n### Security\n\n- A hole is closed. A hole")
    assert new.endswith("closed.\n\n")
    assert max(map(len, new.splitlines())) <= 150


def test_a_version_is_year_number_patch() -> None:
    for text in ("2026.1", "2026.0.0", "26.1.0", "2026.01.0", "v2026.1.0", "2026.1.0rc1", ""):
        with pytest.raises(UserError, match="is not a version"):
            Version.parse(text)
    assert Version.parse("2026.10.0") > Version.parse("2026.9.1")


@pytest.mark.parametrize(
    ("wanted", "current", "tags", "why"),
    [
        ("2026.1.0", "2026.1.0", [], ""),
        ("2026.2.0", "2026.1.0", ["2026.1.0"], ""),
        ("2026.1.1", "2026.1.0", ["2026.1.0"], ""),
        ("2025.3.2", "2025.3.1", ["2025.3.1"], ""),
        ("2026.1.0", "2026.1.0", ["2026.1.0"], "does not follow 2026.1.0"),
        ("2026.1.5", "2026.2.0", ["2026.2.0", "2026.1.4"], "does not follow 2026.2.0"),
        ("2026.1.0", "2026.2.0", [], "is lower than the tree's version, 2026.2.0"),
        ("2027.1.0", "2026.2.0", [], "the year 2027 has not begun"),
    ],
)
def test_a_version_follows_the_last_release(
    wanted: str, current: str, tags: list[str], why: str
) -> None:
    new, now, *former = map(Version.parse, (wanted, current, *tags))
    if not why:
        check_next(new, now, former, 2026)
        return
    with pytest.raises(UserError, match=why) as error:
        check_next(new, now, former, 2026)
    assert error.value.hint.startswith("packaging/release 2026.")


def test_a_release_changes_the_version_everywhere_and_takes_the_files_of_the_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("packaging/changes", "packaging/man"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("CHANGELOG.md", "nss_pyvirt/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / "packaging/changes/this.fixed.md").write_text("This fault is gone.\n")
    monkeypatch.chdir(tmp_path)
    arguments = ["2099.2.0", "2099-07-03", "v2099.1.0", "other"]
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert tree.main(["--check", *arguments]) == 0
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before

    assert tree.main(arguments) == 0
    assert str(tree.version(tmp_path)) == "2099.2.0"
    assert tree.changes(tmp_path) == {}
    assert "\n- This fault is gone.\n" in Path("CHANGELOG.md").read_text()
    for page in Path("packaging/man").iterdir():
        title = page.read_text().partition("\n")[0]
        assert r' 2099\-07\-03 "nss\-pyvirt 2099.2.0" ' in title
    assert tree.main([*arguments, "v2099.2.0"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "release: 2099.2.0 does not follow 2099.2.0, the last release",
        "  hint: packaging/release 2099.3.0 or 2099.2.1",
    ]
