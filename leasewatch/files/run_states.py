"""Read the run states of networks and domains, one NAME.json each, which `pyvirt` writes by rename.

Commands read them once; the service keeps their values (`small_files`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from leasewatch.daemon import alive
from leasewatch.errors import UNDECODABLE
from leasewatch.model import ARRIVING, DomainState
from nss_pyvirt.errors import UserError

_T = TypeVar("_T", bound=msgspec.Struct)


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


def named(states: Iterable[DomainState]) -> Iterator[DomainState]:
    """The domains that have their names here: their parent is alive, and their guest has arrived.

    A guest dies with its parent, even if the parent was killed and left its run state.
    """
    for state in states:
        if state.state != ARRIVING and alive.is_alive(state.pid, state.born):
            yield state


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
