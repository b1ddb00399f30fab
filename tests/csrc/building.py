"""Compiles csrc for tests: with which compilers, for which words, under which sanitizers."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CSRC = CHECKOUT / "csrc"
MODULE_SOURCES = [CSRC / f"{name}.c" for name in ("crc32", "snapshot", "lookup", "answer")] + [
    CSRC / f"{name}.c" for name in ("pending", "nss_pyvirt")
]
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
COMMON = ("-std=c11", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-I", str(CSRC), *WARNINGS)

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
