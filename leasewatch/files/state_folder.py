"""Keep the values of a folder of run states, for the service."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from leasewatch.daemon import alive
from leasewatch.daemon.logs import Recent, fields
from leasewatch.errors import UNDECODABLE
from leasewatch.files import reading
from leasewatch.files.run_states import names
from leasewatch.model import DomainState, NetworkState

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T", NetworkState, DomainState)


class StateFolder(Generic[_T]):
    """The run states of one kind. A file that cannot be read or parsed keeps its last value."""

    def __init__(self, folder: Path, kind: type[_T]) -> None:
        self.values: dict[str, _T] = {}
        self._folder = folder
        self._decoder: msgspec.json.Decoder[_T] = msgspec.json.Decoder(kind)
        self._faults = Recent()
        self._seen: dict[str, reading.Signature] = {}

    def scan(self) -> bool:
        """Look at every file that has changed; True: the values have."""
        before = self.values
        found = names(self._folder, ".json")
        if found is None:  # the folder itself is gone: no proof that what runs has ended
            found = {name for name, v in before.items() if alive.is_alive(v.pid, v.born)}
        self.values = {name: before[name] for name in found if name in before}
        self._seen = {name: self._seen[name] for name in found if name in self._seen}
        for name in found:
            self._load(name)
        return self.values != before

    def _load(self, name: str) -> None:
        path = self._folder / f"{name}.json"
        signature = reading.signature(path)
        if signature is None or signature == self._seen.get(name):
            return
        self._seen[name] = signature
        try:
            value = self._decoder.decode(reading.read(path).data)
        except (OSError, *UNDECODABLE) as error:
            self._log_fault(path, str(error))
            return
        if value.name == name:
            self.values[name] = value
        else:
            self._log_fault(path, f'it is of "{value.name}"')

    def _log_fault(self, path: Path, why: str) -> None:
        if self._faults.is_new(path, why):
            _LOG.warning("run state unreadable %s", fields(path=path, why=why))
