"""Keep the values of a folder of run states, for the service."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from leasewatch.daemon import alive
from leasewatch.daemon.logs import Recent, fields
from leasewatch.errors import UNDECODABLE, ParseError
from leasewatch.files.run_states import names
from leasewatch.files.small_files import SmallFiles
from leasewatch.model import DomainState, NetworkState

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T", NetworkState, DomainState)


class StateFolder(Generic[_T]):
    """The run states of one kind. A file that cannot be read or parsed keeps its last value."""

    def __init__(self, folder: Path, kind: type[_T]) -> None:
        self.values: dict[str, _T] = {}
        self._folder = folder
        self._decoder: msgspec.json.Decoder[_T] = msgspec.json.Decoder(kind)
        self._files: SmallFiles[_T] = SmallFiles()
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
            if self._faults.is_new(shown := fields(path=path, why=why)):
                _LOG.warning("run state unreadable %s", shown)
        self._files.forget_others()
        return self.values != before

    def _parse(self, data: bytes, path: str) -> _T:
        try:
            value = self._decoder.decode(data)
        except UNDECODABLE as error:
            raise ParseError(path, 0, "JSON", str(error)) from None
        if value.name != Path(path).stem:
            raise ParseError(path, 0, "name", f'it is of "{value.name}"')
        return value
