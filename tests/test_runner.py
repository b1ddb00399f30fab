"""packaging/test: what it does when tests fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PASSES_LATER = """
from pathlib import Path
import pytest

@pytest.mark.xdist_group("one")
{mark}
def test_passes_at_the_second_try():
    tried = Path(__file__).with_name("tried")
    before = tried.exists()
    tried.touch()
    assert before
"""
SETTINGS = """
[tool.pytest.ini_options]
addopts = "-p no:hypothesispytest"
cache_dir = ".cache/pytest"
markers = ["real_timing", "xdist_group"]
"""


def run(checkout: Path, mark: str) -> subprocess.CompletedProcess[str]:
    """packaging/test in a checkout that has one test, which fails once."""
    (checkout / "packaging").mkdir()
    shutil.copy(CHECKOUT / "packaging/test", checkout / "packaging")
    (checkout / "packaging/prepare").write_text("#!/bin/sh\n")
    (checkout / "packaging/prepare").chmod(0o755)
    (checkout / ".venv").symlink_to(CHECKOUT / ".venv")
    (checkout / "pyproject.toml").write_text(SETTINGS)
    (checkout / "test_it.py").write_text(PASSES_LATER.format(mark=mark))
    return subprocess.run(
        [checkout / "packaging/test"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # nproc(1): as few workers as there can be
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_what_depends_on_real_timing_is_tried_again_and_named(tmp_path: Path) -> None:
    done = run(tmp_path, "@pytest.mark.real_timing")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-2:] == [
        "packaging/test: passed only when retried:",
        "  test_it.py::test_passes_at_the_second_try",
    ]


def test_any_other_failure_fails_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, "")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "when retried:" not in done.stdout
