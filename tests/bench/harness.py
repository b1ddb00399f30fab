"""Builds the C programs, runs nssbench on a plan of contestants, counts their system calls.

Knows none of them.
"""

from __future__ import annotations

import collections
import dataclasses
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.bench.timing import BenchError, quietest

Call = Literal["name4", "addr", "bare", "getaddrinfo"]

_SOURCES = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Contestant:
    """One line of the plan; nssbench.c says what its fields mean. `label` is unique in a plan."""

    label: str
    call: Call
    keys: Path
    calls: int
    threads: int = 0
    library: str = "libc.so.6"
    prefix: str = "files"
    files: Mapping[Path, Path] | None = None
    """Target -> source: what the contestant finds at the target."""
    hit: bool = True

    def line(self) -> str:
        """As nssbench reads it."""
        links = [str(path) for pair in (self.files or {}).items() for path in reversed(pair)]
        fields = [
            *(self.label, self.call, "hit" if self.hit else "miss"),
            *(str(self.calls), str(self.threads)),
            *(self.library, self.prefix, str(self.keys), *links),
        ]
        return "\t".join(fields) + "\n"


def build(name: str, folder: Path) -> Path:
    """Compile tests/bench/NAME.c into `folder`."""
    program = folder / name
    source = _SOURCES / f"{name}.c"
    command = ["gcc", "-std=c11", "-O2", "-pthread", "-rdynamic", "-o", str(program), str(source)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{name}.c: {done.stderr.strip()}")
    return program


def compete(program: Path, contestants: Sequence[Contestant], rounds: int) -> dict[str, float]:
    """Seconds per lookup of each label in its quietest rounds.

    BenchError when a contestant gave a wrong answer.
    """
    turns: dict[str, list[float]] = collections.defaultdict(list)
    for line in _run([str(program), str(rounds)], contestants).splitlines():
        label, took = line.split("\t")
        turns[label].append(int(took) * 1e-9)
    return {label: quietest(times) for label, times in turns.items()}


_SOME = 6
"""Lookups whose system calls are counted; nssbench's warm-up is one up to seven."""


def system_calls(program: Path, contestant: Contestant) -> dict[str, float]:
    """How often each system call is made for one lookup, by its name, in the order of time.

    Counted by strace: what `_SOME` lookups more add to a run of one.
    """
    one, more = (
        _traced(program, dataclasses.replace(contestant, calls=calls)) for calls in (1, 1 + _SOME)
    )
    added = {name: count - one.get(name, 0) for name, count in more.items()}
    return {name: count / _SOME for name, count in added.items() if count}


def _traced(program: Path, contestant: Contestant) -> dict[str, int]:
    trace = program.with_name("strace.out")
    _run(["strace", "-qq", f"--output={trace}", str(program), "1"], [contestant])
    counted: dict[str, int] = {}
    for line in trace.read_text(errors="replace").splitlines():
        name = line.partition("(")[0]
        counted[name] = counted.pop(name, 0) + 1  # the last lookup gives the order
    return counted


def _run(command: Sequence[str], contestants: Sequence[Contestant]) -> str:
    done = subprocess.run(
        command,
        input="".join(contestant.line() for contestant in contestants),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode:
        raise BenchError(done.stderr.strip())
    return done.stdout
