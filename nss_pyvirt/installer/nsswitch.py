"""Edit nsswitch.conf, text to text: add `pyvirt` to the `hosts` lines, or remove it again.

Pure: no files. Lines are read as glibc reads them: leading blanks, blanks or colons after the
database, `[...]` actions in any case, `#` to the end of the line (nsswitch.conf(5)). If there are
several `hosts` lines, glibc takes the last one, before 2.33 the first; so all are edited.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from nss_pyvirt.errors import UserError

MODULE: Final = "pyvirt"
ENTRY: Final = f"{MODULE} [TRYAGAIN=return]"
"""A domain that is still starting must end the search, else DNS says that its name is unknown."""

OWN_FILES: Final = "files [SUCCESS=return TRYAGAIN=continue]"
"""`files`, put in front where the line has it too late. Its actions are the defaults, spelled out
to mark it as ours."""

_OWN_LINE: Final = f"hosts: files {ENTRY} dns # added by nss-pyvirt install"

_LOCAL: Final = frozenset(
    {"files", "db", "cache", "compat", "altfiles", "usrfiles", "myhostname", "mymachines"}
)
"""Modules that answer from the host's own tables: they may stand before us, files always does."""

_HOSTS: Final = re.compile(r"[ \t\v\f\r]*hosts[\s:][\s:]*")
_SERVICE: Final = re.compile(r"([^\s\[#]+)\s*((?:\[[^\]#]*\]?\s*)*)")
_ACTIONS: Final = re.compile(r"\[[^\]\[]*\]")
_STRAY: Final = re.compile(r"(?:^|\])\s*\[")
_CRITERION: Final = re.compile(r"(!?)\s*(\w+)\s*=\s*(\w+)")


@dataclass(frozen=True, slots=True)
class _Service:
    """One module of a line, with its actions; `start` and `end` are offsets in the line."""

    name: str
    actions: str
    start: int
    end: int

    def returns_on(self, status: str) -> bool:
        """Whether this status ends the search here; by default only SUCCESS does."""
        returns = status == "SUCCESS"
        for negated, named, action in _CRITERION.findall(self.actions.upper()):
            if (named == status) != bool(negated):
                returns = action == "RETURN"
        return returns

    @property
    def hides_the_rest(self) -> bool:
        """Whether a guest's name may never get past this module, or only after a network query."""
        stops = self.returns_on("NOTFOUND") or self.returns_on("UNAVAIL")
        return stops or self.name not in _LOCAL

    def __str__(self) -> str:
        return f"{self.name} {self.actions}".strip()


def install(text: str) -> str:
    """The text with `ENTRY` in every hosts line: after `files`, before all that would hide it.

    A line that has it there already stays as it is. Without a hosts line one is added at the end.
    UserError for a malformed line.
    """
    lines = text.split("\n")
    found = [number for number, line in enumerate(lines) if _HOSTS.match(line)]
    for number in found:
        if flaw := _flaw(lines[number]):
            what = f'nsswitch.conf: {flaw} in "{lines[number].strip()}"'
            raise UserError(what, "correct that line, then try again", "invalid")
        if _fault(lines[number]):
            lines[number] = _insert(_strip(lines[number]))
    if not found:
        lines[-1:] = [_OWN_LINE, ""] if lines[-1] == "" else [lines[-1], _OWN_LINE]
    return "\n".join(lines)


def remove(text: str) -> str:
    """The text without our module: what `install` made of a text becomes that text again."""
    lines = [line for line in text.split("\n") if line != _OWN_LINE]
    return "\n".join(_strip(line) if _HOSTS.match(line) else line for line in lines)


def fault(text: str) -> str:
    """Why programs do not reach our module, in one clause; empty when they do."""
    lines = [line for line in text.split("\n") if _HOSTS.match(line)]
    faults = [_fault(line) for line in lines] or ["there is no hosts line"]
    return next(filter(None, faults), "")


def has_hosts(text: str) -> bool:
    """Whether there is a hosts line."""
    return any(_HOSTS.match(line) for line in text.split("\n"))


def can_follow_files(text: str) -> bool:
    """Whether our module is reached if it stands behind the first `files` of each hosts line."""
    lines = [line for line in text.split("\n") if _HOSTS.match(line)]
    return not any(_fault(line.replace("files", f"files {ENTRY}", 1)) for line in lines)


def _flaw(line: str) -> str:
    """What keeps glibc from reading the line to its end; empty: nothing does."""
    words = _HOSTS.sub("", line.partition("#")[0], count=1)
    if "[" in _ACTIONS.sub("", words):
        return 'a "[" is not closed'
    return "an action follows no module" if _STRAY.search(words) else ""


def _services(line: str) -> list[_Service]:
    head = _HOSTS.match(line)
    start = head.end() if head else 0
    comment = line.find("#", start)
    end = len(line) if comment < 0 else comment
    return [
        _Service(m[1], m[2].strip(), m.start(), m.start() + len(m[0].rstrip()))
        for m in _SERVICE.finditer(line, start, end)
    ]


def _fault(line: str) -> str:
    if flaw := _flaw(line):
        return f"{flaw} in the hosts line"
    for service in _services(line):
        if service.name == MODULE:
            return "" if service.returns_on("TRYAGAIN") else f"{MODULE} lacks [TRYAGAIN=return]"
        if service.hides_the_rest:
            late = any(s.name == MODULE for s in _services(line))
            where = f"comes before {MODULE} and hides it" if late else f"is asked, {MODULE} is not"
            return f'"{service}" {where}'
    return f"{MODULE} is not in the hosts line"


def _insert(line: str) -> str:
    """The line, which has no entry of ours, with one."""
    services = _services(line)
    names = [service.name for service in services]
    reach = next((n for n, s in enumerate(services) if s.hides_the_rest), len(services))
    if "files" in names[:reach]:
        reach, entry = names.index("files") + 1, ENTRY
    else:
        entry = f"{OWN_FILES} {ENTRY}" if "files" in names else ENTRY
    if reach:
        at, entry = services[reach - 1].end, f" {entry}"
    elif services:
        at, entry = services[0].start, f"{entry} "
    else:
        at, entry = len(line.partition("#")[0].rstrip()), f" {entry}"
    return line[:at] + entry + line[at:]


def _strip(line: str) -> str:
    """The line without our entries, and without the one blank that came with each."""
    while True:
        services = _services(line)
        mine = next((n for n, s in enumerate(services) if s.name == MODULE), None)
        if mine is None:
            return line
        start, end = services[mine].start, services[mine].end
        first = mine
        again = any(service.name == "files" for service in services[mine:])
        if mine and again and str(services[mine - 1]) == OWN_FILES:
            first, start = mine - 1, services[mine - 1].start
        if first == 0 and mine + 1 < len(services):
            end += line[end : end + 1].isspace()
        else:
            start -= line[start - 1].isspace()
        line = line[:start] + line[end:]
