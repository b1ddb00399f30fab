"""Compiles csrc for tests: with which compilers, for which words, under which sanitizers."""

from __future__ import annotations

import functools
import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CSRC = CHECKOUT / "csrc"
MODULE_SOURCES = [CSRC / f"{name}.c" for name in ("crc32", "snapshot", "lookup", "answer")] + [
    CSRC / f"{name}.c" for name in ("pending", "nss_pyvirt")
]
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
DEFINES = ("-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-D_TIME_BITS=64")
COMMON = ("-std=c11", *DEFINES, "-I", str(CSRC), *WARNINGS)

VARIANTS = {
    "gcc-sanitized": ("gcc", *SANITIZERS),
    "clang-sanitized": ("clang", *SANITIZERS),
    "gcc-32-bit": ("gcc", "-m32", "-O2"),
}
"""A compiler and its options, to be tried with `usable` first."""


def compile_c(target: Path, variant: tuple[str, ...], *arguments: str | Path) -> Path:
    """Compile to `target`; AssertionError with the compiler's words when it refuses."""
    argv = [*variant, *COMMON, "-o", target, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{' '.join(map(str, argv))}\n{done.stderr}"
    return target


@functools.cache
def usable(variant: tuple[str, ...]) -> bool:
    """Whether this machine has that compiler, and the libraries that its options ask for."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "empty.c"
        source.write_text("int main(void) { return 0; }\n")
        try:
            compile_c(Path(folder) / "empty", variant, source)
        except (AssertionError, FileNotFoundError):
            return False
    return True


WRAPPED = (
    *("open64", "pread64", "fstat64", "clock_gettime"),
    *("socket", "fcntl64", "connect", "getsockopt", "send", "poll"),
    # The same in 32-bit programs with times of 64 bits.
    *("__fstat64_time64", "__clock_gettime64", "__fcntl_time64", "__getsockopt64"),
)
WRAP = [f"-Wl,--wrap={call}" for call in WRAPPED]


def not_reached(*folders: Path, of: Iterable[str]) -> list[str]:
    """The branches of these sources that no run of the programs took, as FILE:LINE."""
    counts: Counter[tuple[str, int, int]] = Counter()
    for folder in folders:
        done = subprocess.run(
            ["gcov", "--json-format", "--stdout", "--branch-probabilities", *folder.glob("*.gcno")],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        files = [file for line in done.stdout.splitlines() for file in json.loads(line)["files"]]
        for file in files:
            for line in file["lines"]:
                at = Path(file["file"]).name, line["line_number"]
                counts[*at, -1] += line["count"]
                for number, branch in enumerate(line["branches"]):
                    counts[*at, number] += branch["count"]
    wanted = set(of)
    assert wanted <= {file for file, _, _ in counts}
    missed = {(file, line) for (file, line, _), n in counts.items() if file in wanted and not n}
    return [f"{file}:{line}" for file, line in sorted(missed)]
