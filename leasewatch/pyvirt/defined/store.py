"""Read and write definitions of networks and domains: one NAME.toml each.

The type is an argument, and checks by itself whether its parts fit together.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import ClassVar, Final, Protocol, Self, TypeVar

import msgspec

from leasewatch.errors import UNDECODABLE
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import hints

_LONGEST: Final = 240
"""Bytes of a name; NAME.toml and NAME.json are written as .NAME.toml.XXXXXXXX first."""


class Definition(Protocol):
    """What `Network` and `DomainDefinition` have in common."""

    word: ClassVar[str]
    """What messages call it: "network" or "domain"."""

    @property
    def name(self) -> str:
        """That of its file, NAME.toml."""

    def checked(self) -> Self:
        """The same in its usual spelling; UserError where its parts do not fit together."""


T = TypeVar("T", bound=Definition)


class StaleError(UserError):
    """A definition has changed since somebody began to edit it."""


def names(folder: Path) -> list[str]:
    """The defined names, sorted; none if the folder is missing."""
    return sorted(file.stem for file in folder.glob("*.toml") if not file.name.startswith("."))


def check_name(name: str, what: str) -> None:
    """UserError for what is no file's name, leads out of a folder, or names another's run state."""
    misleads = not name or "/" in name or name.startswith(".") or name.endswith(".json")
    if misleads or len(os.fsencode(name)) > _LONGEST:
        raise UserError(f'"{name}" is no {what}\'s name', f"pyvirt {what} list", "invalid")


def read(folder: Path, name: str, kind: type[T]) -> T:
    """The checked definition of `name`; UserError names file and key, or the likely name."""
    check_name(name, kind.word)
    file = folder / f"{name}.toml"
    try:
        value = decode(file, file.read_bytes(), kind)
    except FileNotFoundError:
        raise _unknown(folder, name, kind.word) from None
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error
    if value.name != name:
        raise UserError(
            f'{file}: name: is "{value.name}", but the file is named {name}.toml', code="invalid"
        )
    try:
        return value.checked()
    except UserError as error:
        raise UserError(f"{file}: {error.what}", error.hint, error.code) from None


def check_defined(folder: Path, name: str, what: str) -> None:
    """UserError with a likely name where there is no definition of `name`."""
    check_name(name, what)
    if name not in names(folder):
        raise _unknown(folder, name, what)


def readable(folder: Path, kind: type[T]) -> list[T]:
    """All definitions that can be read; the others own nothing."""
    found = []
    for name in names(folder):
        with contextlib.suppress(UserError):
            found.append(read(folder, name, kind))
    return found


def write(folder: Path, value: Definition) -> Path:
    """Write NAME.toml in one step and return its path; raises UserError."""
    file = folder / f"{value.name}.toml"
    try:
        replacing.replace(file, msgspec.toml.encode(value))
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror}") from error
    except UnicodeEncodeError:
        raise UserError(f"{file}: a path is not UTF-8", "rename that file", "invalid") from None
    return file


def _unknown(folder: Path, name: str, what: str) -> UserError:
    import shlex  # noqa: PLC0415  start-up time

    known = names(folder)
    hint = f"pyvirt {what} list" if known else f"sudo pyvirt {what} create {shlex.quote(name)}"
    if meant := hints.likely(name, known):
        hint = f"did you mean {meant}?"
    return UserError(f'there is no {what} "{name}"', hint, "not-found")


def check_same(file: Path, before: bytes) -> None:
    """StaleError unless the file's content is still `before`."""
    try:
        same = file.read_bytes() == before
    except OSError:
        same = False
    if not same:
        raise StaleError(f"{file} was changed by another command meanwhile", code="exists")


def decode(file: Path, content: bytes, kind: type[T]) -> T:
    """The definition that `file` has, or will have, as its content. It is not `checked`.

    UserError names file and key, or line and column.
    """
    try:
        return msgspec.toml.decode(content, type=kind)
    except msgspec.ValidationError as error:
        why, _, where = str(error).partition(" - at `$.")
        key = f"{where.rstrip('`')}: " if where else ""
        raise UserError(f"{file}: {key}{why}", code="invalid") from None
    except UNDECODABLE as error:
        raise UserError(f"{file}: {error}", code="invalid") from None
