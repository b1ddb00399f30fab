"""Shell completion: what may take the place of the last word. It needs no click.

A script in `shells/` asks the program itself; `frame` says how it calls us. bash gives the line up
to the cursor and $COMP_WORDBREAKS, the other shells give the words up to the cursor.
The answer has one value a line. zsh and fish get a tab and a sentence behind it. A line
`:files` or `:folders` stands for those.

Guests choose some of the values, and a shell reads them: those that it could take for more than a
word are left out.
"""

from __future__ import annotations

import os

from nss_pyvirt.terminal.commands import Command, Group

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Final

    from nss_pyvirt.terminal.commands import Param

    Found = list[tuple[str, str]]  # each value with a sentence, which may be empty

_FILES: Final = [(":files", "")]
_FOLDERS: Final = [(":folders", "")]
_PLACES: Final = (_FILES, _FOLDERS)
_SCRIPT: Final = "_source"
_PLAIN: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_"
)
"""Characters that mean nothing to any shell in the middle of a word."""
_OF_FILES: Final = {"FILE", "PATH"}
_OF_FOLDERS: Final = {"DIRECTORY", "FOLDER"}


def answer(top: Group | Command, shell: str, words: Sequence[str], obj: object) -> str:
    """The script, or the values that fit; nothing if anything is wrong."""
    if shell.endswith(_SCRIPT):
        return _script(shell.removesuffix(_SCRIPT))
    if shell == "bash":
        line, breaks = [*words, "", ""][:2]
        words, is_quoted = split(line)
        found = candidates(top, words[1:] or [""], obj)
        # bash takes what follows a colon or an equals sign for a word of its own.
        done = 0 if is_quoted else _broken(words[-1], breaks)
        return "".join(f"{value if value[0] == ':' else value[done:]}\n" for value, _ in found)
    if shell not in {"zsh", "fish"}:
        return ""
    found = candidates(top, words or [""], obj)
    return "".join(f"{value}\t{about}".rstrip() + "\n" for value, about in found)


def _script(shell: str) -> str:
    try:
        path = f"{os.path.dirname(__file__)}/shells/completion.{shell}"  # noqa: PTH120  start-up time
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  start-up time
            return file.read()
    except OSError:
        return ""


def _broken(word: str, breaks: str) -> int:
    """Where the part of a word begins that bash completes."""
    return max((word.rfind(char) + 1 for char in breaks if char in ":="), default=0)


def split(line: str) -> tuple[list[str], bool]:
    """The words of an unfinished command line, and whether the last one has an open quote."""
    words, quote = [""], ""
    letters = iter(line)
    for letter in letters:
        if letter == "\\" and quote != "'":
            words[-1] += next(letters, "")
        elif quote:
            words[-1], quote = (words[-1], "") if letter == quote else (words[-1] + letter, quote)
        elif letter in "'\"":
            quote = letter
        elif letter in " \t\n":
            words += [""] if words[-1] else []
        else:
            words[-1] += letter
    return words, bool(quote)


def candidates(top: Group | Command, words: Sequence[str], obj: object) -> Found:
    """The values for the last of the words, in the order to show them."""
    *before, text = words
    found = top
    while isinstance(found, Group):
        if not before and not (found.default and text[:1] == "-"):
            options = text[:1] == "-"
            return _fitting(_options(found) if options else _members(found), text)
        before = found.ours(before)
        member = found.find(before.pop(0))
        if member is None:
            return []
        found = member
    return _of_command(_Typed(found, before), text, obj)


def _of_command(typed: _Typed, text: str, obj: object) -> Found:
    param = typed.expects
    if text[:1] == "-" and not (param and param.words) and not typed.ended:
        way, sign, value = text.partition("=")
        param = typed.options.get(way)
        if not sign or param is None:
            return _fitting(typed.ways(), text)
        found = _values(param, typed.given.get(param.name, ()), value, obj)
        return found if found[:1] in _PLACES else [(f"{way}={one}", about) for one, about in found]
    return _values(param, typed.given.get(param.name, ()), text, obj) if param else []


def _members(group: Group) -> Iterator[tuple[str, str]]:
    """The commands of a group, without loading them."""
    for name, member in group.members.items():
        if not (isinstance(member, Command) and member.hidden):
            yield name, ""


def _options(group: Group) -> Iterator[tuple[str, str]]:
    yield "--help", "Show what the commands do"
    if group.version:
        yield "--version", "Show the version"


class _Typed:
    """What a command has got so far."""

    def __init__(self, command: Command, words: Sequence[str]) -> None:
        self._params = command.params
        self.options = {way: p for p in self._params for one in p.words for way in one.split("/")}
        self.given: dict[str, list[str]] = {}
        self.ended = False
        """Whether no option can follow."""
        self._arguments = [param for param in self._params if not param.words]
        self.expects: Param | None = None
        """Whose value the next word is."""
        for word in words:
            self._read(word)
        if self.expects is None and self._arguments:
            self.expects = self._arguments[0]
        if self.expects is not None and self.expects.rest:
            self.expects, self.ended = None, True

    def _read(self, word: str) -> None:
        if self.expects is not None:
            self.given.setdefault(self.expects.name, []).append(word)
            self.expects = None
        elif word == "--" and not self.ended:
            self.ended = True
        elif word[:1] == "-" and not self.ended:
            way, sign, value = word.partition("=") if word[:2] == "--" else (word[:2], "", word[2:])
            option = self.options.get(way)
            if option is None:
                return
            takes_next = not (option.flag or option.bare or sign or value)
            self.given.setdefault(option.name, []).extend([value] * (not takes_next))
            self.expects = option if takes_next else None
        elif self._arguments:
            argument = self._arguments[0]
            self.given.setdefault(argument.name, []).append(word)
            if not argument.multiple:
                self._arguments.pop(0)
            self.ended |= argument.rest

    def ways(self) -> Iterator[tuple[str, str]]:
        """The options that may follow."""
        for param in self._params:
            if param.hidden or (param.name in self.given and not param.multiple):
                continue
            for way in (way for word in param.words for way in word.split("/")):
                yield way, _begun(param.help)
        yield "--help", "Show what the command does"


def _begun(sentence: str) -> str:
    """As much of the help as a menu has room for."""
    for end in (". ", ": ", " ("):
        sentence = sentence.partition(end)[0]
    return sentence.removesuffix(".")


def _values(param: Param, given: Sequence[str], text: str, obj: object) -> Found:
    """The values of an option or an argument that begin with the text."""
    kind, places = param.kind, {*(param.metavar or "").strip("[].").split("|")}
    head = ""
    if (param.metavar or "").endswith(",..."):
        head = text[: text.rfind(",") + 1]
    values: Iterable[str] = kind if isinstance(kind, tuple) else _known(param, given, obj)
    used = {*given, *head.split(",")} if param.multiple or head else set()
    left = [(f"{head}{value}", "") for value in values if value not in used]
    found = _fitting(left, text)
    if found or not places & (_OF_FILES | _OF_FOLDERS):
        return found
    return _FILES if places & _OF_FILES else _FOLDERS


def _known(param: Param, given: Sequence[str], obj: object) -> Sequence[str]:
    """What the parameter itself knows, but no options; nothing if it cannot find out."""
    if param.complete is None:
        return ()
    try:
        known = [*param.complete(obj, given)]
    except Exception:  # noqa: BLE001  a message in the middle of a command line is in the way
        return ()
    return [value for value in known if value[:1].isalnum() or value[:1] == "_"]


def _fitting(found: Iterable[tuple[str, str]], text: str) -> Found:
    """Those that begin with the text and are plain words."""
    return [one for one in found if one[0].startswith(text) and _PLAIN.issuperset(one[0])]
