"""csrc without running it: analyzers, and the deepest call chain's stack."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.csrc.building import CSRC, DEFINES, MODULE_SOURCES, compile_c, usable

SOURCES = sorted(CSRC.glob("*.c"))
CHECKS = (
    "-*,clang-analyzer-*,bugprone-*,cert-*,misc-*,performance-*,portability-*,"
    # memcpy_s is in no libc of ours
    "-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,"
    # NSS gives the entry points their names and parameters
    "-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,-cert-dcl37-c,"
    "-cert-dcl51-cpp"
)

CRC_TABLE = re.compile(r"\{TABLE\([^)]*\)\}")
"""Macros that make 2,048 constants, at which clang-tidy looks for 20 s and more."""


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_gccs_analyzer_finds_nothing(source: Path, tmp_path: Path) -> None:
    if not usable(("gcc", "-fanalyzer")):
        pytest.skip("no gcc with -fanalyzer here: packaging/test installs it")
    compile_c(tmp_path / "out.o", ("gcc", "-O2", "-fanalyzer"), "-c", source)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_clang_tidy_finds_nothing(source: Path, tmp_path: Path) -> None:
    if shutil.which("clang-tidy") is None:
        pytest.skip("no clang-tidy here: packaging/test installs it")
    code = tmp_path / source.name
    code.write_text(CRC_TABLE.sub("{0}", source.read_text()))
    done = subprocess.run(
        [
            *("clang-tidy", "--quiet", f"-checks={CHECKS}", "-warnings-as-errors=*", code, "--"),
            *("-std=c11", *DEFINES, f"-I{CSRC}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout


NODE = re.compile(r'node: \{ title: "([^"]+)" label: "[^"]*?(\d+) bytes \(([\w,]+)\)"')
EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')


@pytest.mark.parametrize("word", ["-m64", "-m32"])
def test_the_deepest_call_chain_takes_at_most_4_kib_of_stack(word: str, tmp_path: Path) -> None:
    variant = ("gcc", word, "-fcallgraph-info=su")
    if not usable(variant):
        pytest.skip(f"no gcc with {word} here: packaging/test installs it")
    frames: dict[str, int] = {}
    calls: dict[str, set[str]] = {}
    for source in MODULE_SOURCES:
        target = tmp_path / f"{source.stem}.o"
        compile_c(target, variant, "-O2", "-fPIC", "-fno-stack-protector", "-c", source)
        graph = target.with_suffix(".ci").read_text()
        for name, size, kind in NODE.findall(graph):
            assert kind in {"static", "dynamic,bounded"}, name
            frames[name] = int(size)
        for caller, callee in EDGE.findall(graph):
            calls.setdefault(caller, set()).add(callee)

    @cache
    def depth(name: str) -> int:  # libc's own functions are not ours to count
        return frames.get(name, 0) + max(map(depth, calls.get(name, ())), default=0)

    entry_points = [name for name in frames if name.startswith("_nss_pyvirt_")]
    assert len(entry_points) == 6
    assert 2048 < max(map(depth, entry_points)) <= 4096
