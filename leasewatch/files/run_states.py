"""Read the run states of networks and domains, one NAME.json each, which `pyvirt` writes by rename.

A command reads them once (`read`, `read_all`). The service keeps their values (`StateFolder`).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from leasewatch.daemon import alive
from leasewatch.daemon.logs import Recent, fields
from leasewatch.errors import UNDECODABLE
from leasewatch.files import reading
from leasewatch.model import DomainState, NetworkState
from nss_pyvirt.errors import UserError

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T", NetworkState, DomainState)


def read(file: Path, kind: type[_T]) -> _T | None:
    """The run state in the file; None if it is missing, invalid, or not readable for this user.

    UserError for any other failure: a running domain must not be taken for stopped.
    """
    with _there(file), contextlib.suppress(*UNDECODABLE):
        return msgspec.json.decode(file.read_bytes(), type=kind)
    return None


def read_all(folder: Path, kind: type[_T]) -> list[_T]:
    """All run states in a folder, in the order of their names."""
    files: list[Path] = []
    with _there(folder):
        files = sorted(file for file in folder.iterdir() if file.suffix == ".json")
    found = (read(file, kind) for file in files)
    return [state for state in found if state is not None]


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


def names(folder: Path, suffix: str) -> set[str] | None:
    """NAME of every NAME`suffix` in the folder; None: it cannot be listed."""
    try:
        found = [path.name for path in folder.iterdir()]
    except OSError:
        return None
    return {n.removesuffix(suffix) for n in found if n.endswith(suffix) and not n.startswith(".")}


@contextlib.contextmanager
def _there(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        return
    except OSError as error:  # for example no descriptor left
        raise UserError(f"cannot read {path}: {error.strerror}") from error
