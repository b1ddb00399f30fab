"""The table is replaced, overwritten and truncated under readers: replacement.c holds each answer.

Briefly here; packaging/test --long replaces it 100,000 times.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.csrc.building import CSRC, MODULE_SOURCES, VARIANTS, compile_c, usable

HERE = Path(__file__).parent
KINDS = {
    "plain": ("gcc", "-O2"),
    "gcc-sanitized": VARIANTS["gcc-sanitized"],
    "clang-threads": ("clang", "-O1", "-g", "-fsanitize=thread"),
    "gcc-32-bit": VARIANTS["gcc-32-bit"],
}
MODES = ("rename", "overwrite")


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, as /run is: renaming over a file waits for no disk."""
    shm = Path("/dev/shm")
    if not os.access(shm, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="pyvirt-test-", dir=shm) as folder:
        yield Path(folder)


def build(folder: Path, kind: str) -> Path:
    if not usable(KINDS[kind]):
        pytest.skip(f"no {' '.join(KINDS[kind])} here: packaging/test installs it")
    sources = (HERE / "replacement.c", HERE / "asking.c", CSRC / "table.c", *MODULE_SOURCES)
    return compile_c(folder / kind, KINDS[kind], "-DPYVIRT_TEST", "-pthread", *sources)


def replace(folder: Path, *argv: str | int | Path, timeout: int) -> tuple[int, int]:
    """Run replacement.c; the number of answers, and of those that found the host."""
    done = subprocess.run(
        [str(word) for word in argv],
        env=os.environ
        | {"PYVIRT_SNAPSHOT": str(folder / "hosts.v1"), "PYVIRT_SERVICE": str(folder / "none")},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert (done.returncode, done.stderr) == (0, "")
    answers, found = map(int, done.stdout.split())
    return answers, found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_is_of_one_generation(
    kind: str, mode: str, tmp_path: Path, memory: Path
) -> None:
    program = build(tmp_path, kind)
    answers, found = replace(memory, program, mode, 500, 8, 8, timeout=120)
    assert answers >= found >= 16


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_is_of_one_of_100000_generations(
    kind: str, mode: str, tmp_path: Path, memory: Path
) -> None:
    program = build(tmp_path, kind)
    answers, found = replace(memory, program, mode, 100_000, 8, 8, timeout=660)
    assert answers >= found >= 1600


@pytest.mark.parametrize("mode", MODES)
def test_valgrind_finds_nothing_while_the_table_is_replaced(
    mode: str, tmp_path: Path, memory: Path
) -> None:
    if shutil.which("valgrind") is None:
        pytest.skip("no valgrind here: packaging/test installs it")
    program = build(tmp_path, "plain")
    valgrind = ("valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full")
    answers, found = replace(memory, *valgrind, program, mode, 300, 4, 0, timeout=300)
    assert answers >= found > 0
