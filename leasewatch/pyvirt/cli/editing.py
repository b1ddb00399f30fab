"""Edit a definition in the caller's editor, as visudo does: checked before anything changes."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from leasewatch.pyvirt.defined import store
from nss_pyvirt import programs
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import frame

_T = TypeVar("_T")


def edit(definition: Path, instead: str, apply: Callable[[bytes, bytes], _T]) -> _T | None:
    """Let the caller edit a copy of `definition`; what `apply` returns. None: nothing has changed.

    `apply` gets the content before and after, and puts that in place. If it raises UserError, the
    caller may edit again. `StaleError` keeps the text in a file. `instead` is what to type without
    a terminal. UserError if nothing is to be changed after all.
    """
    if not all(stream and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        raise UserError("edit needs a terminal", instead, "invalid")
    before = _content(definition)
    after = before
    while True:
        after = _edited(definition.name, after)
        if after == before:
            return None
        try:
            return apply(before, after)
        except store.StaleError as error:
            kept = Path(tempfile.mkdtemp(prefix="pyvirt-")) / definition.name
            kept.write_bytes(after)
            hint = f"your text is in {kept}: compare it, and edit again"
            raise UserError(error.what, hint, error.code) from None
        except UserError as error:
            what = error.what.removeprefix(f"{definition}: ")
            line = faulty_line(
                before.decode(errors="replace"), after.decode(errors="replace"), what
            )
            where = f"line {line}: " if line else ""
            frame.print_error("pyvirt", UserError(f"{where}{what}", error.hint, error.code))
            if not _agrees("Edit again? [Y/n] "):
                raise UserError("nothing is changed", code="invalid") from None


def _edited(name: str, text: bytes) -> bytes:
    """The text after the editor has ended; UserError if that failed."""
    with tempfile.TemporaryDirectory(prefix="pyvirt-") as folder:
        copy = Path(folder, name)
        copy.write_bytes(text)
        argv = [*_editor(), str(copy)]
        child = programs.Child(argv, (0, 1, 2))
        with _ignored(signal.SIGINT, signal.SIGQUIT):  # they are the editor's
            code = child.reap()
        if code:
            what = f"{shlex.join(argv[:-1])} ended with exit code {code}: nothing is changed"
            raise UserError(what, "set EDITOR to another one")
        return _content(copy)


def _editor() -> list[str]:
    """The command line of the caller's editor, without the file."""
    for variable in ("VISUAL", "EDITOR"):
        if words := shlex.split(os.environ.get(variable, "")):
            return [programs.find(words[0]), *words[1:]]
    for name in ("sensible-editor", "vi"):
        with contextlib.suppress(UserError):
            return [programs.find(name)]
    raise UserError("no editor is installed", "apt install nano", "missing")


@contextlib.contextmanager
def _ignored(*numbers: signal.Signals) -> Iterator[None]:
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _agrees(question: str) -> bool:
    frame.write(question, err=True)
    answer = sys.stdin.readline()
    return bool(answer) and answer.strip().lower() in {"", "y", "yes", "e"}


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error


def faulty_line(before: str, after: str, what: str) -> int | None:
    """The line of `after` that an error is about, counted from 1; None: unknown, or it says so.

    That is the line of the key that the error names. Otherwise it is the only line, of those that
    `before` has not, with a value that the error names.
    """
    lines = after.splitlines()
    unknown = re.search(r"unknown field `(\w+)`", what)
    path = re.match(r"(?:(\w+)\[(\d+)\]\.?)?(\w*): ", what)
    if path or unknown:
        table, index, key = path.groups("") if path else ("", "", "")
        found = _lines_with(lines, table, int(index or 0), unknown[1] if unknown else key)
        if found:
            return found[0]
    said, old = _words(what), before.splitlines()
    new = [(n, line.partition("=")[2]) for n, line in enumerate(lines, 1) if line not in old]
    found = [number for number, value in new if said & _words(value)]
    return found[0] if len(found) == 1 else None


def _lines_with(lines: list[str], table: str, index: int, key: str) -> list[int]:
    """The lines that set a key, from the table of that index on (`[[nics]]` or `nics = [{…`)."""
    heads = [n for n, line in enumerate(lines, 1) if line.strip() == f"[[{table}]]"]
    heads += [n for n, line in enumerate(lines, 1) if table and line.lstrip().startswith("{")]
    first = heads[index] if len(heads) > index else 1
    sets = re.compile(rf"(?:^|[{{,])\s*{key}\s*=")
    return [n for n, line in enumerate(lines, 1) if key and n >= first and sets.search(line)]


def _words(text: str) -> set[str]:
    return set(re.findall(r"[\w.:/-]+", text.lower()))
