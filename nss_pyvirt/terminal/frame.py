"""How every command runs and prints: exit codes, errors, and rows as table, JSON, CSV or names.

It knows no command. Guests choose some of the strings, so nothing is printed raw.
"""

from __future__ import annotations

import errno
import os
import sys

from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, table

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final, Literal

    from nss_pyvirt.terminal.commands import Command, Group

    Format = Literal["table", "json", "csv", "name"]

SCHEMA: Final = 1
"""Of our JSON: another number if a key goes or means something else. Keys may be added."""
_UNWRITTEN: Final = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def examples(*lines: str) -> str:
    """A command's `epilog`: one example per line, which click does not rewrap."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def run(
    top: Group | Command, prog: str, argv: Sequence[str] | None = None, *, obj: object = None
) -> int:
    """Run a command and return its exit code: 0 done, 1 error, 2 usage, else `exit_code`.

    `argv`: the arguments, by default the process's. `obj`: passed to the command's function.
    """
    words = sys.argv[1:] if argv is None else argv
    try:
        if shell := _completing(prog):
            from nss_pyvirt.terminal import complete  # noqa: PLC0415  start-up time

            write(complete.answer(top, shell, words, obj))
            return 0
        called = commands.read(top, prog, words)
        if called is None:
            from nss_pyvirt.terminal import with_click  # noqa: PLC0415  start-up time

            result = with_click.run(top, prog, words, obj)
        else:
            result = called(obj)
        if sys.stdout is not None:  # closed: `>&-`
            sys.stdout.flush()
    except UserError as error:
        print_error(prog, error, as_json=asks_for_json(words))
        return error.exit_code
    except (EOFError, KeyboardInterrupt):
        write("\n", err=True)
        return 130
    except OSError as error:
        return _not_written(prog, error, as_json=asks_for_json(words))
    return result if isinstance(result, int) else 0


def _completing(prog: str) -> str:
    """The shell that asks for completion, or for its script if `_source` follows; empty: none.

    The scripts set the variable of nss-pyvirt, for all programs; a user may set the program's own.
    """
    own = f"_{prog}_COMPLETE".replace("-", "_").upper()
    return os.environ.get(own) or os.environ.get("_NSS_PYVIRT_COMPLETE", "")


def asks_for_json(words: Sequence[str]) -> bool:
    """Whether the arguments hold `-o json`, also where click could not read them to the end."""
    formats = {"json", "jsonl"}
    asked = False
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--":
            break
        if word in {"-o", "--output"}:
            asked = following in formats
        elif word.startswith(("-o", "--output=")):
            asked = word.removeprefix("--output=").removeprefix("-o") in formats
    return asked


def _not_written(prog: str, error: OSError, *, as_json: bool) -> int:
    """Report a full disk; say nothing if the reader has left, as in `leasewatch list | head`.

    Re-raises an error that is not about writing.
    """
    if error.errno not in _UNWRITTEN or sys.stdout is None:
        raise error
    if error.errno != errno.EPIPE:
        print_error(prog, UserError(f"cannot write: {error.strerror}"), as_json=as_json)
    # The interpreter's own flush at exit would complain once more.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1  # as click does when it meets the closed pipe itself


def print_error(prog: str, error: UserError, *, as_json: bool | None = None) -> None:
    """Print an error on stderr.

    As text: `PROG: what went wrong`, then the hint if there is one. As JSON: one line,
    `{"error": {"code": …, "message": …, "hint": …}}`; hint is null if there is none.
    `as_json` None: as JSON if the running command was given `-o json`.
    """
    _print_report(
        prog, "error", error, commands.Command.prints_json if as_json is None else as_json
    )


def print_warning(prog: str, warning: UserError) -> None:
    """Print, as `print_error` does, what the user should know though the command goes on."""
    _print_report(prog, "warning", warning, commands.Command.prints_json)


def _print_report(prog: str, kind: str, error: UserError, as_json: bool) -> None:
    if as_json:
        said = {"code": error.code, "message": error.what, "hint": error.hint or None}
        _print_json({kind: said}, err=True)
        return
    write(f"{prog}: {printable(error.what)}\n", err=True)
    if error.hint:
        print_hint(error.hint)


def print_note(prog: str, sentence: str) -> None:
    """Print a sentence on stderr for the person who waits."""
    if commands.Command.prints_json:
        _print_json({"note": sentence}, err=True)
    else:
        write(f"{prog}: {printable(sentence)}\n", err=True)


def print_hint(hint: str) -> None:
    """Print what to type next, on stderr."""
    if commands.Command.prints_json:
        _print_json({"hint": hint}, err=True)
    else:
        write(f"  hint: {printable(hint)}\n", err=True)


def print_done(sentence: str, **facts: object) -> None:
    """Print what a command has done: the sentence, or with `-o json` the facts and the sentence."""
    if commands.Command.prints_json:
        _print_json(facts | {"done": sentence})
    else:
        write(f"{printable(sentence)}\n")


def _print_json(value: object, *, err: bool = False) -> None:
    """One line, in ASCII."""
    import json  # noqa: PLC0415  start-up time

    write(f"{json.dumps(value)}\n", err=err)


def write(text: str, *, err: bool = False) -> None:
    """Write the text to stdout or stderr now; to a closed one, nothing."""
    stream = sys.stderr if err else sys.stdout
    if stream is None:
        return
    try:
        stream.write(text)
    except UnicodeEncodeError:  # the locale has no such character
        stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))
    stream.flush()


def printable(text: str) -> str:
    r"""The text with all that could drive a terminal (controls, bidi marks) as `\x1b` escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def render(
    rows: Sequence[Mapping[str, object]],
    columns: Sequence[str],
    output: Format,
    *,
    name: str,
    wide: Mapping[str, int] = {},
) -> str:
    """The rows as text.

    `columns` are keys, which a table heads in capitals; `-c` names others. `name` is the key for
    `-o name`. JSON keeps every key of the rows and their types; None prints as `-` in a table, as
    nothing in CSV. A terminal shows a `wide` column only if it has at least so many characters a
    line. A table without rows has no heading either.
    """
    asked = commands.Command.rows
    if output == "json":
        return _as_json(rows, asked)
    if output == "name":
        return "".join(f"{printable(str(row[name]))}\n" for row in rows if row[name] is not None)
    if asked.columns:
        columns = asked.columns
        rows = [{key: row.get(key) for key in columns} for row in rows]
    cells = {key: _texts([row[key] for row in rows]) for key in columns}
    if output == "csv":
        return _csv([*[[*cells]] * asked.header, *zip(*cells.values(), strict=True)])
    if not rows:
        return ""
    shown = {
        key: [*[key.upper()] * asked.header, *(text or table.NOTHING for text in texts)]
        for key, texts in cells.items()
    }
    terminal = 0 if asked.are_wide else terminal_width()
    if not terminal:
        return table.plain(shown)
    return table.fitted(shown, {} if asked.columns else wide, terminal)


def _as_json(rows: Sequence[Mapping[str, object]], asked: commands.Rows) -> str:
    """A list of objects or, for `-o jsonl`, one object a line."""
    import json  # noqa: PLC0415  start-up time

    if asked.columns:
        rows = [{key: row[key] for key in asked.columns if key in row} for row in rows]
    versioned = [{"schema": SCHEMA, **row} for row in rows]
    if asked.are_lines:
        return "".join([f"{json.dumps(row)}\n" for row in versioned])
    return json.dumps(versioned, indent=2) + "\n"


def render_object(value: Mapping[str, object]) -> str:
    """One object as JSON, in one line for `-o jsonl`."""
    import json  # noqa: PLC0415  start-up time

    indent = None if commands.Command.rows.are_lines else 2
    return json.dumps({"schema": SCHEMA, **value}, indent=indent) + "\n"


def _texts(values: Sequence[object]) -> list[str]:
    """The values as text; None is empty."""
    texts = ["" if value is None else str(value) for value in values]
    return texts if "".join(texts).isprintable() else [*map(printable, texts)]


def _csv(lines: Sequence[Sequence[str]]) -> str:
    import csv  # noqa: PLC0415  start-up time
    import io  # noqa: PLC0415

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def terminal_width() -> int:
    """The width of the terminal; 0 if stdout is none."""
    if sys.stdout is None or not sys.stdout.isatty():
        return 0
    import shutil  # noqa: PLC0415  start-up time

    return shutil.get_terminal_size().columns
