"""Contestants that run whole commands in turns: A B C A B C …, each a list of steps."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from tests.bench.timing import percentile, whole_process

Who = Literal["ours", "libvirt", "bare", "one by one"]


class Step(NamedTuple):
    """One command of a turn."""

    row: str
    """What it is measured as; empty: not measured."""
    argv: list[str]


class Times:
    """Seconds of each row and contestant."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, Who], list[float]] = collections.defaultdict(list)

    def add(self, row: str, who: Who, seconds: float) -> None:
        """Add one measurement."""
        self._taken[row, who].append(seconds)

    def median(self, row: str, who: Who) -> float | None:
        """None if it was never measured."""
        taken = self._taken.get((row, who))
        return percentile(taken, 50) if taken else None

    def take(self, turns: int, steps: Mapping[Who, Sequence[Step]]) -> None:
        """Measure all steps `turns` times; raises BenchError if a command fails."""
        for _ in range(turns):
            for who, own in steps.items():
                for row, argv in own:
                    seconds = whole_process(argv)
                    if row:
                        self.add(row, who, seconds)
