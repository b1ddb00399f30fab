"""packaging/release: a whole release in a clone, checked as a user would, and one that fails."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import nss_pyvirt
from tests import readme
from tests.shipped import ROOT

pytestmark = pytest.mark.long


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A clone of this checkout's commit on a branch main, with the checkout's environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Release Test")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "release@example.org")
    run("git", "clone", "-q", "--no-local", ROOT, "clone")
    os.chdir("clone")
    run("git", "switch", "-q", "-C", "main")
    for part in (ROOT / ".venv").iterdir():
        Path(".venv").mkdir(exist_ok=True)
        (Path(".venv") / part.name).symlink_to(part)
    Path(".cache").mkdir()
    chroots = ROOT / ".cache/deb"  # of Debian packages
    chroots.mkdir(exist_ok=True)
    Path(".cache/deb").symlink_to(chroots)
    yield Path.cwd()
    os.chdir("/")


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A key of gpg, in a keyring of its own."""
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    name = "release@example.org"
    make = ("--batch", "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "1d")
    run("gpg", *make)
    yield name
    run("gpgconf", "--kill", "gpg-agent")


def run(*argv: str | Path, **environment: str) -> str:
    done = subprocess.run(
        argv,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )
    assert done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def state(clone: Path) -> list[str]:
    files = sorted(str(path) for path in clone.iterdir())
    return [run("git", "log", "--format=%H", "-1"), run("git", "tag"), run("git", "status"), *files]


def test_a_release_is_built_twice_signed_and_checked_as_the_readme_says(
    clone: Path, key: str
) -> None:
    version = nss_pyvirt.__version__
    before = state(clone)
    steps = run("packaging/release", "--dry-run", "--key", key, version)
    assert f"commit and tag v{version} in a clone" in steps
    assert state(clone) == before

    shown = run("packaging/release", "--skip-tests", "--key", key, version)
    print(shown)
    assert "both builds are equal" in shown
    assert run("git", "status", "--porcelain") == ""
    assert f"Release {version}" in run("git", "log", "-1", "--format=%s")
    for signed in (("tag", "--verify", f"v{version}"), ("verify-commit", "HEAD")):
        assert "Good signature" in run("git", *signed)
    assert run("git", "ls-files", "packaging/changes").split() == ["packaging/changes/README.md"]

    os.chdir(clone / "dist" / version)
    (block,) = readme.scripts((ROOT / "leasewatch/RELEASES.md").read_text())
    checks = [run(*line.split()) for line in block.splitlines()]
    assert "Good signature" in checks[0]
    contents = json.loads(Path(f"nss_pyvirt-{version}.cdx.json").read_text())
    named = {part["name"] for part in contents["components"] if part["type"] == "file"}
    made = {path.name for path in Path().iterdir()}
    assert named == made - {"SHA256SUMS", "SHA256SUMS.asc", f"nss_pyvirt-{version}.cdx.json"}
    assert {name.rpartition(".")[2] for name in named} == {"gz", "whl", "deb"}
    libraries = [part for part in contents["components"] if part["type"] == "library"]
    wheels = [part for part in libraries if "version" in part]
    assert all(part["licenses"] and part["hashes"] for part in wheels)
    assert {"cffi", "click", "watchdog"} <= {part["name"] for part in libraries}


def test_a_release_that_fails_leaves_the_checkout_as_it_was(clone: Path) -> None:
    before = state(clone)
    command = ["packaging/release", "--skip-tests", nss_pyvirt.__version__]
    failed = subprocess.run(
        command, env={**os.environ, "CC": "/bin/false"}, capture_output=True, text=True, check=False
    )
    assert failed.returncode != 0
    assert "build (umask 022, C)" in failed.stdout
    assert state(clone) == before
