"""A command prints the same whether it starts quickly, or by click and with checked replies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext

import click
import hypothesis
import pytest
from hypothesis import strategies as st

from leasewatch.api import exchange, interface
from leasewatch.cli.leasewatch import command as leasewatch
from leasewatch.paths import Paths
from leasewatch.pyvirt.cli.pyvirt import command as pyvirt
from nss_pyvirt.installer.cli import command as nss_pyvirt
from nss_pyvirt.terminal import commands, frame, with_click
from tests.leasewatch.cli.answering import ENTRY, answering
from tests.leasewatch.cli.asking import LATER, run

ENTRIES = [
    ENTRY,
    ENTRY | {"address": "fe80::5", "family": 6, "ifindex": 1, "expires": LATER},
    ENTRY | {"address": "fd12::5", "family": 6, "expires": 1},
    ENTRY | {"name": "host10", "mac": None, "origin": "neighbour", "address": "10.77.0.9"},
    ENTRY | {"name": "host2", "network": "lab2", "trust": "guest", "address": "10.77.0.10"},
    ENTRY | {"name": None, "trust": None, "verdict": "unnamed", "address": "10.77.0.11"},
    ENTRY | {"name": "slow", "verdict": "pending", "address": None, "family": None, "origin": None},
    ENTRY | {"name": "\x1b[2Jwpad\u202e", "verdict": "refused", "reason": "%s no\n\x07wpad ü 漢"},
    ENTRY | {"name": "x" * 63, "verdict": "conflict", "reason": "another host has the name " * 4},
]
ASKED = [
    *(["list"], ["list", "-o", "table"], ["list", "-o", "json"], ["list", "-ocsv"]),
    *(["list", "--output=name"], ["list", "-o", "xml"], ["list", "-o", "json", "-o", "csv"]),
    *(["list", "web1", "HOST2."], ["list", "fe80::5"], ["list", "--network", "lab2"]),
    *(["list", "--state=refused", "--state", "conflict"], ["list", "x9"], ["list", "x9", "-ojson"]),
    *(["list", "--state", "odd"], ["list", "--nonsense"], ["list", "--network"], ["list", ""]),
    *(["list", "--", "web1"], ["list", "-h"], [], ["-h"], ["--version"], ["lst"]),
    *(["ip", "web1"], ["ip", "-4", "web1"], ["ip", "web1", "-6"], ["ip", "-46", "web1"]),
    *(["ip", "web1", "-o", "json"], ["ip", "web1", "-o", "csv"], ["ip", "host2", "-6"]),
    *(["ip", "slow"], ["ip", "web9"], ["ip", "web9", "-ojson"], ["ip"], ["ip", "a", "b"]),
    *(["ip", "\udcff"], ["ip", '"\\\n'], ["ip", "ü"], ["ip", "-4", "-4", "web1"], ["ip", "--help"]),
]  # fmt: skip


@pytest.fixture
def paths(tmp_path: str) -> Paths:
    return Paths(tmp_path)


@pytest.mark.parametrize("argv", ASKED, ids=str)
@pytest.mark.parametrize("served", [True, False], ids=["served", "no service"])
def test_both_ways_print_the_same(
    paths: Paths, capsys: pytest.CaptureFixture[str], argv: list[str], served: bool
) -> None:
    with answering(paths, ENTRIES) if served else nullcontext():
        quick, slow = run(paths, capsys, *argv), by_click(paths, capsys, argv)
    assert quick == slow
    assert "\x1b" not in "".join(quick[1:])


@pytest.mark.parametrize("columns", [20, 60, 80, 130, 300])
def test_both_ways_fill_a_terminal_alike(
    paths: Paths,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: int,
) -> None:
    monkeypatch.setattr(frame, "terminal_width", lambda: columns)
    with answering(paths, ENTRIES):
        quick, slow = run(paths, capsys, "list"), by_click(paths, capsys, ["list"])
    assert quick == slow


def by_click(
    paths: Paths, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> tuple[int, str, str]:
    def refused(*_: object) -> Iterator[dict[str, object]]:
        raise ValueError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "read", lambda *_: None)
        patch.setattr(exchange, "replies", refused)
        return run(paths, capsys, *argv)


@pytest.mark.parametrize("argv", [["list"], ["list", "-o", "json"], ["ip", "web1"]])
def test_both_ways_print_nothing_to_a_closed_stdout(
    paths: Paths,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
) -> None:
    with answering(paths, ENTRIES):
        monkeypatch.setattr(sys, "stdout", None)
        assert run(paths, capsys, *argv) == by_click(paths, capsys, argv) == (0, "", "")


@pytest.mark.parametrize("harm", [{"name": 5}, {"verdict": None, "network": 1}, {"address": 5}])
def test_a_reply_that_is_not_understood_is_asked_for_again_and_checked(
    paths: Paths, capsys: pytest.CaptureFixture[str], harm: dict[str, object]
) -> None:
    with answering(paths, [ENTRY, ENTRY | harm]):
        code, out, err = run(paths, capsys, "list")
    assert (code, out) == (1, "")
    assert "cannot understand the service's reply" in err


def test_the_quick_way_calls_the_methods_of_the_interface() -> None:
    assert f'{{"method":"{interface.LIST}","more":true}}'.encode() == exchange.LIST
    wanted = f'{{"method":"{interface.RESOLVE}","parameters":{{"query":"a\\"b"}}}}'
    assert exchange.resolve('a"b') == wanted.encode()


def leaves(group: commands.Group) -> Iterator[commands.Command]:
    for name in group.members:
        found = group.find(name)
        if isinstance(found, commands.Group):
            yield from leaves(found)
        elif found is not None:
            yield found


LEAVES = [leaf for top in (leasewatch, pyvirt, nss_pyvirt) for leaf in leaves(top)]


@pytest.mark.parametrize("ours", LEAVES, ids=lambda leaf: leaf.act.__qualname__)
@hypothesis.settings(max_examples=40)
@hypothesis.given(data=st.data())
def test_words_that_are_read_without_click_mean_the_same_to_click(
    ours: commands.Command, data: st.DataObject
) -> None:
    ways = [way for param in ours.params for word in param.words for way in word.split("/")]
    texts = ["web1", "json", "table", "5", "512M", "20G", "nat", "refused", "a=b", "ü", "a b", "/"]
    odd = ["", "-", "--", "-5", "-x", "--odd", "--help", "\udcff", "=", "-o=json", "-ojson", "-46"]
    joined = st.builds("{}={}".format, st.sampled_from(ways), st.sampled_from([*texts, ""]))
    plain = st.sampled_from([*texts, *texts, *ways, *ways])
    words = data.draw(st.lists(st.one_of(plain, plain, joined, st.sampled_from(odd)), max_size=6))
    try:
        quick = ours.read(words)
    except ValueError:
        return  # it is click's turn
    context = with_click.built(ours).make_context("x", list(words))
    assert isinstance(context, click.Context)
    assert quick == context.params


def _possible(param: commands.Param) -> str:
    """A value that the parameter takes."""
    if isinstance(param.kind, tuple):
        return param.kind[0]
    return "20G" if param.metavar == "SIZE" else "web1"


FLAGS = [
    (leaf, way)
    for leaf in LEAVES
    for param in leaf.params
    if param.flag
    for word in param.words
    for way in word.split("/")
]


@pytest.mark.parametrize(("ours", "way"), FLAGS, ids=lambda one: getattr(one, "help", one))
def test_each_switch_means_the_same_to_click(ours: commands.Command, way: str) -> None:
    needed = [param for param in ours.params if param.required]
    words = [word for param in needed for word in (*param.words[:1], _possible(param))]
    quick = ours.read([*words, way])
    assert quick == with_click.built(ours).make_context("x", [*words, way]).params
