"""Small files that others rewrite, and folders of run states: each version is parsed once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import msgspec

from leasewatch.daemon import alive
from leasewatch.errors import UNDECODABLE, ParseError
from leasewatch.files import reading
from leasewatch.files.run_states import names
from leasewatch.model import DomainState, NetworkState

_T = TypeVar("_T")
_S = TypeVar("_S", NetworkState, DomainState)


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


class StateFolder(Generic[_S]):
    """The run states of one kind. A file that cannot be read or parsed keeps its last value."""

    def __init__(self, folder: Path, kind: type[_S]) -> None:
        self.values: dict[str, _S] = {}
        self._folder = folder
        self._decoder: msgspec.json.Decoder[_S] = msgspec.json.Decoder(kind)
        self._files: SmallFiles[_S] = SmallFiles()
        from leasewatch.daemon.logs import Recent  # noqa: PLC0415  start-up time of pyvirt

        self._faults = Recent()

    def scan(self) -> bool:
        """Look at every file that has changed; True: the values have."""
        before, self.values = self.values, {}
        found = names(self._folder, ".json")
        if found is None:  # the folder itself is gone: no proof that what runs has ended
            found = {name for name, v in before.items() if alive.is_alive(v.pid, v.born)}
        for name in found:
            path = str(self._folder / f"{name}.json")
            small = self._files.read(path, self._parse)
            if small.value is not None:
                self.values[name] = small.value
            fault = small.fault
            if fault is None or isinstance(fault, FileNotFoundError):
                continue
            why = fault.why if isinstance(fault, ParseError) else fault
            self._report(path, why)
        self._files.forget_others()
        return self.values != before

    def _report(self, path: str, why: object) -> None:
        import logging  # noqa: PLC0415  start-up time of pyvirt

        from leasewatch.daemon.logs import fields  # noqa: PLC0415

        if self._faults.is_new(shown := fields(path=path, why=why)):
            logging.getLogger(__name__).warning("run state unreadable %s", shown)

    def _parse(self, data: bytes, path: str) -> _S:
        try:
            value = self._decoder.decode(data)
        except UNDECODABLE as error:
            raise ParseError(path, 0, "JSON", str(error)) from None
        if value.name != Path(path).stem:
            raise ParseError(path, 0, "name", f'it is of "{value.name}"')
        return value
