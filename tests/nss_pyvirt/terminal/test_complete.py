"""What a shell is offered in the place of an unfinished word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from leasewatch.cli.leasewatch import command as leasewatch
from leasewatch.paths import Paths
from leasewatch.pyvirt.cli.pyvirt import command as pyvirt
from nss_pyvirt.errors import UserError
from nss_pyvirt.installer.cli import command as nss_pyvirt
from nss_pyvirt.terminal import commands, complete
from nss_pyvirt.terminal.commands import Param

KNOWN = ["web2", "web10", "x y", "$(reboot)", "`id`", "a;b", "é", "-rf", ":files", "\x1b[2J", ""]


def names(obj: object, given: object) -> list[str]:
    assert obj == "the object"
    return KNOWN


def broken(_obj: object, _given: object) -> list[str]:
    raise OSError("no such service")


TOP = commands.Group("Act.", version="1", epilog="", aliases={"st": "start"})


@TOP.command(
    Param("names", multiple=True, complete=names),
    Param("--wait", kind=("ssh", "address"), bare="ssh", help="Wait. At most a day."),
    Param("--state", kind=("on", "off"), multiple=True),
    Param("--seed/--no-seed", flag=True, help="Make a seed."),
    Param("-l", "--limit", metavar="NUMBER"),
    Param("--secret", hidden=True),
    *commands.rows("name", "address", "mac"),
)
def start(**_given: Any) -> None:
    """Start."""


@TOP.command(
    Param("image", metavar="NAME|FILE", complete=names),
    Param("--root", metavar="DIRECTORY"),
    Param("--odd", complete=broken),
    Param("rest", multiple=True, rest=True),
)
def run(**_given: Any) -> None:
    """Run."""


@TOP.command(hidden=True)
def serve() -> None:
    """Do this without a sign of it."""


OFFERED = {
    "": "start run",
    "s": "start",
    "-": "--help --version",
    "nonsense ": "",
    "start ": "web2 web10",
    "start web1": "web10",
    "st web2 ": "web10",
    "start --": "--wait --state --seed --no-seed --limit --output --columns --no-header --help",
    "start -": "--wait --state --seed --no-seed -l --limit -o --output -c --columns --no-header"
    " --help",
    "start --no-seed --wait --li": "--limit",
    "start --limit ": "",
    "start --limit 3 --l": "",
    "start -l3 --l": "",
    "start -l 3 w": "web2 web10",
    "start --wait w": "web2 web10",
    "start --wait=": "--wait=ssh --wait=address",
    "start --state on --state ": "off",
    "start --state=o": "--state=on --state=off",
    "start -o js": "json jsonl",
    "start -c ": "name address mac",
    "start -c name,": "name,address name,mac",
    "start --secret=": "",
    "start -- -": "",
    "start -- w": "web2 web10",
    "run w": "web2 web10",
    "run ./im": ":files",
    "run --root /e": ":folders",
    "run --root=/e": ":folders",
    "run --odd ": "",
    "run web2 ": "",
    "run web2 -": "",
}


@pytest.mark.parametrize(("line", "offered"), OFFERED.items(), ids=OFFERED)
def test_a_shell_is_offered_what_fits(line: str, offered: str) -> None:
    words, _ = complete.split(line)
    found = complete.candidates(TOP, words, "the object")
    assert [value for value, _ in found] == offered.split()


@pytest.mark.parametrize(
    ("line", "words", "is_quoted"),
    [
        ("", [""], False),
        ("  a  b ", ["a", "b", ""], False),
        ("a 'b c", ["a", "b c"], True),
        ("a 'b c' d", ["a", "b c", "d"], False),
        ('a "b \\" c', ["a", 'b " c'], True),
        ("a b\\ c\\", ["a", "b c"], False),
        ("a 'b\\'", ["a", "b\\"], False),
        ("a x'y'\"z\"", ["a", "xyz"], False),
    ],
)
def test_a_line_is_split_as_a_shell_would(line: str, words: list[str], is_quoted: bool) -> None:
    assert complete.split(line) == (words, is_quoted)


@pytest.mark.parametrize(
    ("line", "breaks", "printed"),
    [
        ("x start --state=o", " =:", "on\noff\n"),
        ("x start --state=o", " ", "--state=on\n--state=off\n"),
        ("x start '--state=o", " =:", "--state=on\n--state=off\n"),
        ("x start w", " =:", "web2\nweb10\n"),
        ("x run ./im", " =:", ":files\n"),
        ("x run --root=/e", " =:", ":folders\n"),
        ("x", "", "start\nrun\n"),
    ],
)
def test_bash_gets_the_part_of_a_word_that_it_replaces(
    line: str, breaks: str, printed: str
) -> None:
    assert complete.answer(TOP, "bash", [line, breaks], "the object") == printed


def test_other_shells_get_a_sentence_with_an_option() -> None:
    printed = "--wait\tWait\n"
    assert complete.answer(TOP, "zsh", ["start", "--w"], "the object") == printed
    assert complete.answer(TOP, "fish", ["start", "--w"], "the object") == printed


@pytest.mark.parametrize("shell", ["bash_complete", "tcsh", "../x_source", "ksh_source"])
def test_what_is_no_shell_of_ours_gets_nothing(shell: str) -> None:
    assert complete.answer(TOP, shell, ["start", "--w"], "the object") == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_printed(shell: str) -> None:
    assert "leasewatch pyvirt nss-pyvirt" in complete.answer(TOP, f"{shell}_source", [], None)


def completed(group: commands.Group) -> Iterator[Param]:
    """Each parameter below a group that knows its values."""
    for name in group.members:
        member = group.find(name)
        if isinstance(member, commands.Group):
            yield from completed(member)
        elif member is not None:
            yield from (param for param in member.params if param.complete)


@pytest.mark.parametrize("group", [leasewatch, pyvirt, nss_pyvirt], ids=lambda one: one.help)
def test_every_parameter_that_knows_its_values_gives_texts(
    tmp_path: Path, group: commands.Group
) -> None:
    for param in completed(group):
        assert param.complete is not None
        with suppress(UserError):  # there is no service
            assert all(isinstance(text, str) for text in param.complete(Paths(tmp_path), ()))
