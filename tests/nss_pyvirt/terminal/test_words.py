"""How a command reads its words: values that may be omitted, and words that belong to another."""

from __future__ import annotations

from typing import Any

import click
import pytest

from nss_pyvirt.terminal import commands, with_click
from nss_pyvirt.terminal.commands import Param


@commands.command(
    Param("names", multiple=True, required=True),
    Param("--wait", kind=("ssh", "address"), bare="ssh"),
)
def start(**given: Any) -> dict[str, Any]:
    """Start."""
    return given


@commands.command(
    Param("--timeout", kind=commands.whole_number(0, 9)),
    Param("name", required=True),
    Param("words", multiple=True, rest=True),
)
def ssh(**given: Any) -> dict[str, Any]:
    """Log in."""
    return given


@pytest.mark.parametrize(
    ("words", "wait", "names"),
    [
        (["a"], None, ("a",)),
        (["--wait", "a", "b"], "ssh", ("a", "b")),
        (["a", "--wait"], "ssh", ("a",)),
        (["--wait=address", "a"], "address", ("a",)),
    ],
)
def test_an_option_may_be_given_without_its_value(
    words: list[str], wait: str | None, names: tuple[str, ...]
) -> None:
    by_click = with_click.built(start).make_context("start", list(words)).params
    for read in (start.read(words), by_click):
        assert (read["wait"], read["names"]) == (wait, names)


@pytest.mark.parametrize("words", [["--wait=", "a"], ["--wait=x", "a"], ["--wait"]])
def test_a_wrong_value_is_left_to_click(words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        start.read(words)


@pytest.mark.parametrize(
    ("words", "name", "rest"),
    [
        (["a"], "a", ()),
        (
            ["a", "ls", "-l", "--timeout", "3", "--", "x"],
            "a",
            ("ls", "-l", "--timeout", "3", "--", "x"),
        ),
        (["--timeout", "3", "a", "-t"], "a", ("-t",)),
    ],
)
def test_an_argument_may_take_all_other_words(
    words: list[str], name: str, rest: tuple[str, ...]
) -> None:
    read = ssh.read(words)
    assert (read["name"], read["words"]) == (name, rest)
    by_click = with_click.built(ssh).make_context("ssh", list(words)).params
    assert (by_click["name"], tuple(w for w in by_click["words"] if w != "--")) == (
        name,
        tuple(w for w in rest if w != "--"),
    )


def test_help_and_errors_say_how_a_value_that_may_be_omitted_is_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wait = Param("--wait", kind=commands.whole_number(0, 9), bare="3", metavar="TIME")
    one = commands.command(
        Param("name", required=True), Param("level", kind=("low",), metavar="[LEVEL]"), wait
    )
    ip = one(lambda: None)
    assert "--wait[=TIME]" in with_click.built(ip, "ip").get_help(click.Context(click.Command("x")))
    for words, said in (
        (["--wait", "3", "low", "web1"], "unexpected argument (web1); write --wait=3"),
        (["a", "low", "b", "--wait"], "unexpected argument (b)"),
        (["a", "high"], "LEVEL: 'high' is not 'low'"),
    ):
        assert with_click.run(ip, "ip", words, None) == 2
        assert capsys.readouterr().err.splitlines()[0] == f"ip: {said}"
