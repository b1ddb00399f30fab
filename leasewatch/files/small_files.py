"""Small files that others rewrite: each version is parsed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from leasewatch.errors import ParseError
from leasewatch.files import reading

_T = TypeVar("_T")


class Small(NamedTuple, Generic[_T]):
    """The parsed content of a file."""

    value: _T | None
    """None: it could not be parsed yet."""
    modified: float
    """When the file was written, Unix seconds."""
    fault: OSError | ParseError | None
    """Why the value may not be the file's current one."""


class SmallFiles(Generic[_T]):
    """A file that is torn, missing or unreadable keeps its last value as long as it is read."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[reading.Signature, Small[_T]]] = {}
        self._read: set[str] = set()

    def read(self, path: str, parse: Callable[[bytes, str], _T]) -> Small[_T]:
        """The file's value; `parse` may raise ParseError."""
        self._read.add(path)
        known = self._known.get(path)
        if known is not None and known[0] == reading.signature(path):
            return known[1]
        former = known[1] if known else Small[_T](None, 0.0, None)
        try:
            read = reading.read(path)
            if read.torn:
                return former
            small = Small(parse(read.data, path), reading.modified(read.signature), None)
        except (OSError, ParseError) as error:
            return former._replace(fault=error)
        self._known[path] = read.signature, small
        return small

    def last(self, path: str) -> Small[_T] | None:
        """The last value of the file; None: it has not been read."""
        known = self._known.get(path)
        return known[1] if known else None

    def forget_others(self) -> None:
        """Forget the files that were not read since the last call."""
        self._known = {path: self._known[path] for path in self._read if path in self._known}
        self._read = set()
