"""What is shipped, built once for all tests: the sources alone, an sdist, a wheel of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OLD_MODULE = "build/lib/leasewatch/removed_long_ago.py"
SHIPPED = ("nss_pyvirt", "leasewatch", "csrc", "packaging")


def run(
    *argv: str | Path,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    timeout: float = 300,
) -> str:
    done = subprocess.run(
        argv, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=timeout
    )
    assert done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of the source, so that a build leaves nothing in the checkout."""
    copy = tmp_path_factory.mktemp("source")
    built = shutil.ignore_patterns("*.so", "*.so.2", "*.pyc", "__pycache__", "*.egg-info")
    for name in SHIPPED:
        shutil.copytree(ROOT / name, copy / name, ignore=built)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy2(path, copy)
    return copy


@pytest.fixture(scope="session")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("sdist")
    code = f"import setuptools.build_meta as b; b.build_sdist({str(target)!r})"
    run(sys.executable, "-c", code, cwd=source)
    (made,) = target.iterdir()
    return made


@pytest.fixture(scope="session")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked sdist, with a module that an older build left in build/."""
    folder = tmp_path_factory.mktemp("unpacked")
    run("tar", "-xf", sdist, "-C", folder)
    (top,) = folder.iterdir()
    old = top / OLD_MODULE
    old.parent.mkdir(parents=True)
    old.touch()
    return top


@pytest.fixture(scope="session")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    env = {**os.environ, "PYTHON": sys.executable}
    return Path(run(unpacked / "packaging/wheel", target, cwd=target, env=env).strip())
