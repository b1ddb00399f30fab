"""How every command of the project is declared, and how its words are read. Prints nothing.

`read` takes the plain ways to write a command. It needs no click, whose import takes longer than
most commands. `with_click` does the rest: help, completion and wrong usage. Both work from the same
declarations.
"""

from __future__ import annotations

import os
import sys

from nss_pyvirt.errors import UserError

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, ClassVar, Final

    Kind = tuple[str, ...] | Callable[[str], Any] | None
    Complete = Callable[[Any, Sequence[str]], Iterable[str]]
    """Gets the program's `obj` and the earlier values, and returns all there are, in order."""


_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


class Param:
    """An option of a command, or an argument if its one word has no `-`.

    `name`: the function's parameter, if it is not called like the last word. `kind`: the allowed
    texts, or a function that makes the value of a text or raises ValueError with the reason; None:
    any text. `flag`: an option without a value; `--x/--no-x` can be switched off. `bare`: the value
    of an option that is given as `--x` rather than `--x=VALUE`. `multiple`: the value is a tuple.
    `rest`: the argument takes all words from there on, also those that begin with `-`. `hidden`:
    neither help nor completion lists it.
    """

    def __init__(  # noqa: PLR0913  one for each attribute
        self,
        *words: str,
        name: str = "",
        kind: Kind = None,
        flag: bool = False,
        bare: str | None = None,
        multiple: bool = False,
        rest: bool = False,
        required: bool = False,
        default: Any = None,
        metavar: str | None = None,
        help: str = "",  # noqa: A002  click's word
        complete: Complete | None = None,
        hidden: bool = False,
    ) -> None:
        self.name = name or words[-1].split("/")[0].lstrip("-").replace("-", "_")
        self.words = words if words[0][0] == "-" else ()
        self.kind, self.flag, self.bare, self.rest = kind, flag, bare, rest
        self.multiple, self.required, self.default = multiple, required, default
        self.metavar, self.help, self.complete = metavar, help, complete
        self.hidden = hidden

    def convert(self, text: str) -> Any:
        """The value of a text; raises ValueError."""
        if callable(self.kind):
            return self.kind(text)
        if self.kind is not None and text not in self.kind:
            raise ValueError(text)
        return text

    def value(self, given: Sequence[str]) -> Any:
        """The value of all that was given; ValueError leaves that to click."""
        repeatable = self.multiple or (self.flag and "/" not in self.words[0])
        if (self.required and not given) or (len(given) > 1 and not repeatable):
            raise ValueError(self.name)
        if self.multiple:
            return tuple(map(self.convert, given))
        if self.flag:
            off = self.words[0].partition("/")[2]
            return given[0] != off if given else bool(self.default)
        if not given and not isinstance(self.default, str):
            return self.default
        return self.convert(given[0] if given else self.default)


def output(*formats: str, help: str) -> Param:  # noqa: A002  click's word
    """The option `-o`; the first format is the default."""
    return Param("-o", "--output", kind=formats, default=formats[0], help=help)


def rows(*columns: str) -> tuple[Param, ...]:
    """The options of a command that prints rows. `columns`: all that `-c` may name."""

    def chosen(text: str) -> tuple[str, ...]:
        names = tuple(name.strip().lower() for name in text.split(","))
        for name in names:
            if name not in columns:
                raise ValueError(f'there is no column "{name}", only: {", ".join(columns)}')
        return names

    return (
        output(
            *("table", "wide", "json", "jsonl", "csv", "name"),
            help="How to print the rows. A wide terminal shows more columns of a table; wide: all.",
        ),
        Param(
            "-c",
            "--columns",
            kind=chosen,
            metavar="COLUMN,...",
            complete=lambda _obj, _given: columns,
            help=f"Show these columns in this order: {', '.join(columns)}.",
        ),
        Param("--no-header", flag=True, help="Omit the heading of a table or of CSV."),
    )


_RESULTS: Final = output("text", "json", help="How to print results and errors.")


class Rows:
    """How the running command prints rows."""

    def __init__(self, output: str = "", columns: Sequence[str] = (), *, header: bool = True):
        self.columns = columns
        """Those that `-c` names; empty: the command's own."""
        self.header = header
        self.are_lines = output == "jsonl"
        self.are_wide = output == "wide"


class Command:
    """A command whose function has the help as its docstring.

    `check`: gets the words of the command and its values first, and raises UserError.
    `needs_root`: refuse to do anything for other users, and print the command to type.
    A command that has no option `-o` of its own takes `-o text|json`. The function is told `json`
    for `jsonl` and `table` for `wide`; `frame.render` knows the difference.
    """

    prints_json: ClassVar[bool] = False
    """Whether the running command was given `-o json` or `-o jsonl`."""
    rows: ClassVar[Rows] = Rows()

    def __init__(
        self,
        act: Callable[..., Any],
        params: Sequence[Param],
        *,
        epilog: str = "",
        check: Callable[[str, Mapping[str, Any]], None] = lambda *_: None,
        needs_root: bool = False,
        hidden: bool = False,
    ) -> None:
        self._check = check
        self.act, self.epilog, self.needs_root, self.hidden = act, epilog, needs_root, hidden
        self._prints_rows = any(param.name == "output" for param in params)
        self.params = params if self._prints_rows else (*params, _RESULTS)

    def read(self, words: Sequence[str]) -> dict[str, Any]:
        """The function's arguments; ValueError leaves the words to click."""
        options = {way: p for p in self.params for word in p.words for way in word.split("/")}
        given: dict[str, list[str]] = {param.name: [] for param in self.params}
        before_rest = self._before_rest()
        left: list[str] = []
        rest = iter(words)
        for word in rest:
            if len(left) == before_rest:
                left += [word, *rest]
                continue
            if word[:1] != "-":
                left.append(word)
                continue
            option = options.get(word)
            text = word
            if option is None or not option.flag:
                way, _, text = word.partition("=") if word[:2] == "--" else (word[:2], "", word[2:])
                option = options.get(way)
                if option is not None and option.bare is not None and way == word:
                    text = option.bare
                text = text or next(rest, "")
                if option is None or option.flag or text[:1] in {"", "-"} or word[-1] == "=":
                    raise ValueError(word)
            given[option.name].append(text)
        for param in self.params:
            if not param.words:
                count = len(left) if param.multiple else 1
                given[param.name], left = left[:count], left[count:]
        if left:
            raise ValueError(left)
        return {param.name: param.value(given[param.name]) for param in self.params}

    def _before_rest(self) -> int:
        """How many words come before the argument that takes the rest; -1: there is none."""
        arguments = [param.rest for param in self.params if not param.words]
        return arguments.index(True) if True in arguments else -1

    def invoke(self, path: str, obj: object, values: dict[str, Any]) -> Any:
        """Call the function, with `obj` first if there is one; UserError where only root may.

        `path`: the words of the command, for messages.
        """
        asked = values.pop("output")
        Command.prints_json = asked in {"json", "jsonl"}
        if "no_header" in values:
            columns, bare = values.pop("columns") or (), values.pop("no_header")
            Command.rows = Rows(asked, columns, header=not bare)
            asked = {"jsonl": "json", "wide": "table"}.get(asked, asked)
        if self._prints_rows:
            values["output"] = asked
        try:
            self._check(path, values)
            if self.needs_root and os.geteuid() != 0:
                import shlex  # noqa: PLC0415  start-up time

                typed = shlex.join([path.split(maxsplit=1)[0], *sys.argv[1:]])
                raise UserError(f"{path} needs root", f"sudo {typed}", "needs-root")
            return self.act(**values) if obj is None else self.act(obj, **values)
        finally:
            Command.prints_json, Command.rows = False, Rows()


def command(*params: Param, **attrs: Any) -> Callable[[Callable[..., Any]], Command]:
    """Make a `Command` of a function."""
    return lambda act: Command(act, params, **attrs)


class Group:
    """A group of commands.

    `members`: name -> module whose `command` it is, imported when it is used; `MODULE:ATTRIBUTE`
    names another attribute. `unlisted`: further ones, which help omits. `aliases`: a word that does
    what these words of ours do, e.g. `rm` -> `delete`; help does not list it. `synonyms`: a word of
    other tools -> the words to suggest. `version`: of a whole program.
    `default`: the member that is meant if none is named.
    """

    def __init__(
        self,
        help: str,  # noqa: A002  click's word
        *,
        epilog: str,
        members: Mapping[str, str] | None = None,
        unlisted: Mapping[str, str] | None = None,
        aliases: Mapping[str, str] | None = None,
        synonyms: Mapping[str, str] | None = None,
        version: str = "",
        default: str = "",
    ) -> None:
        self.help, self.epilog, self.version, self.default = help, epilog, version, default
        self.members: dict[str, str | Group | Command] = {**(members or {})}
        self._unlisted = unlisted or {}
        self.aliases, self.synonyms = aliases or {}, synonyms or {}

    def command(
        self, *params: Param, name: str = "", **attrs: Any
    ) -> Callable[[Callable[..., Any]], Command]:
        """Make a member of a function, which names it unless there is a `name`."""

        def add(act: Callable[..., Any]) -> Command:
            made = self.members[name or act.__name__] = Command(act, params, **attrs)
            return made

        return add

    def ours(self, words: Sequence[str]) -> list[str]:
        """The words with ours in place of an alias, and the default before its own options."""
        if self.default and (not words or (words[0][:1] == "-" and words[0] != "--help")):
            return [self.default, *words]
        if not words:
            return []
        first, *rest = words
        return [*self.aliases[first].split(), *rest] if first in self.aliases else [*words]

    def find(self, name: str) -> Group | Command | None:
        """The member of that name, imported now."""
        found = self.members.get(name) or self._unlisted.get(name)
        if isinstance(found, str):
            module, _, attribute = found.partition(":")
            found = getattr(__import__(module, fromlist=[""]), attribute or "command")
            assert isinstance(found, Group | Command)  # noqa: S101  for mypy
            if name in self.members:
                self.members[name] = found
        return found

    def meant(self, name: str) -> str | None:
        """The words of ours that an unknown command probably stands for."""
        from difflib import get_close_matches  # noqa: PLC0415  start-up time

        if name in self.synonyms:
            return self.synonyms[name]
        found = get_close_matches(name, [*self.members, *self._unlisted])
        return min(found, key=lambda one: sorted(one) != sorted(name), default=None)  # swapped?


def read(top: Group | Command, prog: str, words: Sequence[str]) -> Callable[[object], Any] | None:
    """The command that the words call, to be called with its `obj`; None: it is click's turn."""
    path, left, found = [prog], [*words], top
    while isinstance(found, Group):
        left = found.ours(left)
        member = found.find(left[0]) if left else None
        if member is None:
            return None
        path.append(left.pop(0))
        found = member
    called = found
    try:
        values = called.read(left)
    except ValueError:
        return None
    return lambda obj: called.invoke(" ".join(path), obj, values)


def whole_number(least: int, most: int, unit: str = "") -> Callable[[str], int]:
    """A kind: a whole number from `least` to `most`; `unit` is what an error calls it."""

    def convert(text: str) -> int:
        number = int(text) if text.lstrip("-").isascii() and text.lstrip("-").isdigit() else None
        if number is None or not least <= number <= most:
            limits = f"from {least} to {most}{unit and ' ' + unit}"
            raise ValueError(f'"{text}" is not a whole number {limits}')
        return number

    return convert


def seconds(text: str) -> int:
    """Whole seconds of `90`, `90s`, `2m` or `1h`, a day at most; raises ValueError."""
    number, unit = text, 1
    if text[-1:] in _SECONDS:
        number, unit = text[:-1], _SECONDS[text[-1:]]
    if not (number.isascii() and number.isdigit()) or not int(number[:9]) * unit <= 86400:
        raise ValueError(f'"{text}" is not a time like 90s, 2m or 1h, 24h at most')
    return int(number) * unit
