"""Run states of networks and domains, as `pyvirt` left them, one NAME.json each. It writes none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from leasewatch.errors import UNDECODABLE
from leasewatch.model import DomainState, NetworkState
from nss_pyvirt.errors import UserError

_T = TypeVar("_T", NetworkState, DomainState)


def read(file: Path, kind: type[_T]) -> _T | None:
    """What the file says; None where it is gone, is none, or is not for this process to read.

    UserError where that cannot be told: who runs would be taken for stopped.
    """
    with _there(file), contextlib.suppress(*UNDECODABLE):
        return msgspec.json.decode(file.read_bytes(), type=kind)
    return None


def read_all(folder: Path, kind: type[_T]) -> list[_T]:
    """All that `read` finds in a folder, in the order of their names."""
    files: list[Path] = []
    with _there(folder):
        files = sorted(file for file in folder.iterdir() if file.suffix == ".json")
    found = (read(file, kind) for file in files)
    return [state for state in found if state is not None]


@contextlib.contextmanager
def _there(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        return
    except OSError as error:  # no descriptor left, say
        raise UserError(f"cannot read {path}: {error.strerror}") from error
