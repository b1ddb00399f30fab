"""The fuzz targets (fuzz/*.c) find nothing, and what they come upon both readers answer alike.

packaging/test --fuzz MINUTES, or $FUZZ_SECONDS, says for how long each of them runs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.csrc.building import MODULE_SOURCES, SANITIZERS, compile_c, usable
from tests.csrc.expected import expected
from tests.csrc.fuzz import seeds

HERE = Path(__file__).parent
SECONDS = int(os.environ.get("FUZZ_SECONDS", "10"))
MAX_LEN = {"snapshot": 8192, "question": 600, "peer": 33}
COVERED = {"snapshot": 200, "question": 200, "peer": 120}
"""Edges of csrc that a run takes at least: fewer, and it does not get to what it is for."""
SAMPLE = 300  # inputs of a corpus that are asked of the second reader
FUZZER = (
    "clang",
    *SANITIZERS,
    "-fsanitize=fuzzer",
    f"-fsanitize-coverage-ignorelist={HERE / 'fuzz' / 'ignore.txt'}",
)


VALGRIND = ("valgrind", "--quiet", "--error-exitcode=9")


def build(program: Path, variant: tuple[str, ...], *names: str) -> Path:
    if not usable(("clang", *SANITIZERS) if variant == FUZZER else variant):
        pytest.skip(f"no {variant[0]} that does this here: packaging/test installs it")
    sources = [HERE / "fuzz" / f"{name}.c" for name in (*names, "harness")]
    return compile_c(
        program, variant, "-DPYVIRT_TEST", *sources, HERE / "asking.c", *MODULE_SOURCES
    )


def run(folder: Path, *argv: str | Path, timeout: int) -> subprocess.CompletedProcess[str]:
    """Run a program with a snapshot of its own, in `folder`; answers are in `folder`/answers."""
    (folder / "hosts.v1").write_bytes(seeds.WORLDS["hosts"])
    (folder / "hosts.v1").chmod(0o644)
    seeds.write(folder / "tables", seeds.WORLDS)
    env = os.environ | {
        "PYVIRT_SNAPSHOT": str(folder / "hosts.v1"),
        "PYVIRT_SERVICE": str(folder / "service"),
        "TABLES": str(folder / "tables"),
    }
    if "-print_final_stats=1" not in argv:
        (folder / "answers").unlink(missing_ok=True)
        env["ANSWERS"] = str(folder / "answers")
    return subprocess.run(
        argv,
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=timeout,
    )


def fuzz(folder: Path, target: str) -> subprocess.CompletedProcess[str]:
    (folder / "corpus").mkdir()
    return run(
        folder,
        folder / target,
        f"-max_total_time={SECONDS}",
        f"-max_len={MAX_LEN[target]}",
        *("-len_control=0", "-keep_seed=1", "-reduce_inputs=0"),
        *("-timeout=20", "-rss_limit_mb=1500", "-print_final_stats=1"),
        *("corpus", seeds.CORPUS / target),
        timeout=SECONDS + 120,
    )


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where each target is built, and runs."""
    made = {target: tmp_path_factory.mktemp(target) for target in seeds.SEEDS}
    for target, folder in made.items():
        build(folder / target, FUZZER, target)
    return made


Runs = dict[str, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def runs(folders: dict[str, Path]) -> Runs:
    """Every target's run, as many at a time as there are processors."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return dict(zip(folders, pool.map(fuzz, folders.values(), folders), strict=True))


@pytest.mark.parametrize("target", seeds.SEEDS)
def test_a_target_finds_nothing(runs: Runs, target: str) -> None:
    done = runs[target]
    assert done.returncode == 0, done.stderr[-6000:]
    (executed,) = re.findall(r"number_of_executed_units: (\d+)", done.stderr)
    (covered,) = re.findall(r"DONE\s+cov: (\d+)", done.stderr)
    assert int(executed) > SECONDS
    assert int(covered) >= COVERED[target]
    print(f"{target}: {executed} executions, {covered} edges of csrc")


@pytest.mark.parametrize("target", seeds.SEEDS)
def test_the_corpus_is_what_the_encoder_makes(target: str) -> None:
    folder = seeds.CORPUS / target
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == seeds.SEEDS[target]


def sample(folder: Path, target: str) -> list[Path]:
    """Inputs that a run in `folder` came upon, and the seeds."""
    return [*sorted((folder / "corpus").iterdir())[:SAMPLE], *(seeds.CORPUS / target).iterdir()]


def answers(folder: Path, *argv: str | Path) -> list[str]:
    """What a program says of its inputs: of each, lines of entry point, question, answer."""
    done = run(folder, *argv, timeout=600)
    assert done.returncode == 0, done.stderr[-6000:]
    return (folder / "answers").read_text().split("input\n")[1:]


def parse(block: str) -> list[tuple[str, int, bytes, bytes]]:
    """Entry point, family, question and answer of each line."""
    rows = [line.split() for line in block.splitlines()]
    return [
        (function, int(family), bytes.fromhex(question[1:]), bytes.fromhex(answer[1:]))
        for function, family, question, answer in rows
    ]


def _tables(fuzzed: bytes) -> list[bytes]:
    """The own table and that of the peers, as snapshot.c writes them."""
    if len(fuzzed) // 8 % 2 == 1:
        return [seeds.WORLDS["gone"], fuzzed]
    return [fuzzed, seeds.WORLDS["hosts"]]


@pytest.mark.parametrize("target", ["snapshot", "question"])
def test_what_was_come_upon_is_answered_as_the_second_reader_answers_it(
    folders: dict[str, Path], runs: Runs, target: str
) -> None:
    folder = folders[target]
    files = sample(folder, target)
    before = time.time()
    blocks = answers(folder, folder / target, "-detect_leaks=0", *files)
    found = 0
    for path, block in zip(files, blocks, strict=True):
        tables = _tables(path.read_bytes()) if target == "snapshot" else [seeds.WORLDS["hosts"]]
        for function, family, question, answer in parse(block):
            assert answer == expected(tables, function, family, question, before), path
            found += answer.startswith(b"1")
    assert found > len(seeds.SEEDS[target]) // 2


@pytest.mark.parametrize("target", ["snapshot", "question"])
def test_what_was_come_upon_is_answered_alike_with_32_bits(
    folders: dict[str, Path], runs: Runs, target: str
) -> None:
    folder = folders[target]
    files = sample(folder, target)
    program = build(folder / "32-bit", ("gcc", "-m32", "-O2"), target, "replay")
    same = answers(folder, folder / target, "-detect_leaks=0", *files)
    assert answers(folder, program, *files) == same


@pytest.mark.parametrize("target", ["snapshot", "question"])
def test_valgrind_finds_nothing_in_what_was_come_upon(
    folders: dict[str, Path], runs: Runs, target: str
) -> None:
    if shutil.which("valgrind") is None:
        pytest.skip("no valgrind here: packaging/test installs it")
    folder = folders[target]
    program = build(folder / "plain", ("gcc", "-O2", "-g"), target, "replay")
    assert answers(folder, *VALGRIND, program, *sample(folder, target))
