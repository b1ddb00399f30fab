"""What decides the content of the Debian packages: requirements, programs, the changelog."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from debs import changelog, dependencies, script
from debs.dependencies import Requirement
from tests.shipped import ROOT

DEB = ROOT / "packaging/deb"
LOCK = (ROOT / "packaging/debian/wheels.lock").read_text()
WANTED = dependencies.requirements(ROOT / "pyproject.toml")


@pytest.mark.parametrize(
    ("version", "is_met"),
    [("7.1.0-2", True), ("2:7.1+dfsg-1", True), ("7.0.9-1", False), ("8.0-1", False)],
)
def test_a_version_of_debian_is_compared_without_epoch_and_revision(
    version: str, is_met: bool
) -> None:
    watchdog = Requirement("watchdog", ((">=", "7.1"), ("<", "8")))
    assert watchdog.allows(version) is is_met
    assert watchdog.depends == "python3-watchdog (>= 7.1), python3-watchdog (<< 8)"


def test_what_debian_has_not_or_too_old_needs_a_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = {"python3-cffi-backend": "1.17.1-3", "python3-click": "8.0.3-1"}
    monkeypatch.setattr(dependencies, "offered", lambda package: offered.get(package, ""))
    served, missing = dependencies.split(WANTED)
    assert [one.name for one in served] == ["cffi"]
    assert "click" in {one.name for one in missing}


def test_every_requirement_is_pinned_by_hashes_and_no_host_is_named() -> None:
    pins = dict(re.findall(r"^([a-z-]+)==(\S+) \\$", LOCK, re.MULTILINE))
    assert set(pins) >= {one.name for one in WANTED}
    assert all(one.allows(pins[one.name]) for one in WANTED)
    assert LOCK.count("==") <= LOCK.count("--hash=sha256:")
    assert "://" not in LOCK


def test_a_program_of_the_package_is_the_checkouts_with_debians_python() -> None:
    for path in sorted((ROOT / "packaging/bin").iterdir()):
        made = script.program(path.read_text())
        assert made.startswith("#!/usr/bin/python3 -IS\n")
        assert "/usr/lib/nss-pyvirt" in made
        assert path.read_text().rpartition("import os\n")[2] in made


def test_the_changelog_is_the_newest_section() -> None:
    newest = "## 2 - unreleased\n\n### Added\n\n- One\n  line.\n- Two.\n"
    text = f"# Changes\n\n{newest}\n## 1 - 2025\n\n- Old.\n"
    assert changelog.entry(text, "2+deb12", "bookworm", "Me <me@a.example>", 0) == (
        "nss-pyvirt (2+deb12) bookworm; urgency=medium\n\n  * One line.\n  * Two.\n\n"
        " -- Me <me@a.example>  Thu, 01 Jan 1970 00:00:00 -0000\n"
    )


@pytest.mark.parametrize("words", [["--suite"], ["--nothing"], ["a", "b"]])
def test_wrong_options_get_a_line_and_the_usage(words: list[str], tmp_path: Path) -> None:
    done = subprocess.run([DEB, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 2)
    assert "packaging/deb [--suite" in done.stderr


def test_the_help_names_the_output_and_every_option() -> None:
    done = subprocess.run([DEB, "--help"], capture_output=True, text=True, check=True)
    options = set(re.findall(r"^    (--[a-z]+)", DEB.read_text(), re.MULTILINE)) - {"--help"}
    assert options <= set(re.findall(r"--[a-z]+", done.stdout))
    assert ".cache/deb/dist/SUITE" in done.stdout
