"""The records of a file, and which of them each read adds or lacks.

The work follows the change: if records are lines, only the part that differs from the last read is
split. This module reads no file, parses no record and knows no time. The tracker decides whether to
trust a read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

Split = Callable[[bytes, str], list[bytes]]
"""A file's bytes and path to its records; raises ParseError if it makes no sense."""

_CHUNK = 1 << 16
"""How many bytes are compared at once."""


class RecordSet:
    """The records of the last read. `by_line`: each line is a record on its own."""

    def __init__(self, split: Split, *, by_line: bool) -> None:
        self._split = split
        self._by_line = by_line
        self._data: bytes | None = None
        self._records: set[bytes] = set()
        self._distinct = True
        """No record was in the last read twice."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def take(self, data: bytes, path: str) -> tuple[set[bytes], set[bytes]]:
        """Take in a read; returns the records that it adds, and those that it lacks.

        Raises ParseError as `split` does, and keeps the records of the last read.
        """
        if data == self._data:
            return set(), set()
        parts = None
        if self._by_line and self._distinct:
            parts = self._by_parts(self._data or b"", data, path)
        came, went = parts or self._as_a_whole(data, path)
        self._data = data
        self._records -= went
        self._records |= came
        return came, went

    def _by_parts(
        self, former: bytes, data: bytes, path: str
    ) -> tuple[set[bytes], set[bytes]] | None:
        """Split only the lines between the same beginning and the same end of both reads.

        None if a line is in the file twice: one that went may still be elsewhere.
        """
        begin = data.rfind(b"\n", 0, _same_begin(data, former)) + 1
        same = _same_end(data, former, begin)
        end = data.find(b"\n", len(data) - same) + 1 or len(data)
        lines = self._split(data[begin:end], path)
        now = set(lines)
        before = set(self._split(former[begin : len(former) - len(data) + end], path))
        came = now - before
        if len(now) < len(lines) or not came.isdisjoint(self._records):
            return None
        return came, before - now

    def _as_a_whole(self, data: bytes, path: str) -> tuple[set[bytes], set[bytes]]:
        records = self._split(data, path)
        now = set(records)
        self._distinct = len(now) == len(records)
        return now - self._records, self._records - now


def _same_begin(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    at, most, step = 0, min(len(one), len(other)), _CHUNK
    while step:
        while at + step <= most and one.startswith(other[at : at + step], at):
            at += step
        step >>= 1
    return at


def _same_end(one: bytes, other: bytes, begin: int) -> int:
    """How many bytes both end with, those before `begin` not counted."""
    at, most, step = 0, min(len(one), len(other)) - begin, _CHUNK
    while step:
        while at + step <= most and one.endswith(
            other[len(other) - at - step : len(other) - at], 0, len(one) - at
        ):
            at += step
        step >>= 1
    return at
