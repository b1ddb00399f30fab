"""The table in memory under sanitizers: no change reads or writes outside it, or loses a key."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.csrc.building import CSRC, VARIANTS, compile_c, usable

HERE = Path(__file__).parent
SOURCES = ("table", "check", "lookup", "snapshot", "crc32")
SECONDS = int(os.environ.get("FUZZ_SECONDS", "3"))


@pytest.mark.parametrize("kind", VARIANTS)
def test_after_any_changes_each_record_is_found(kind: str, tmp_path: Path) -> None:
    if not usable(VARIANTS[kind]):
        pytest.skip(f"no {' '.join(VARIANTS[kind])} here: packaging/test installs it")
    sources = (HERE / "changes.c", *(CSRC / f"{name}.c" for name in SOURCES))
    program = compile_c(tmp_path / "changes", VARIANTS[kind], *sources)
    done = subprocess.run(
        [program, str(SECONDS), str(os.getpid())],
        env={**os.environ, "PYVIRT_SNAPSHOT": str(tmp_path / "hosts.v1")},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS + 120,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
