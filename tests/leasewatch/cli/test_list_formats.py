"""`leasewatch list` for scripts: columns, formats, sources by kind, and virsh's words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from leasewatch.cli import list_leases
from leasewatch.paths import Paths
from tests.leasewatch.cli.answering import ENTRY, answering
from tests.leasewatch.cli.asking import LATER, run

ENTRIES = [
    ENTRY | {"name": "host10", "address": "10.77.0.6", "hostname": "h10", "expires": LATER},
    ENTRY | {"name": "host2", "address": "10.77.0.7", "network": "lab2", "source": "/other"},
    ENTRY | {"name": "wpad", "verdict": "refused", "reason": "it is reserved", "address": None},
    ENTRY | {"name": "host3", "origin": "neighbour", "source": None, "address": "10.77.0.8"},
]
MAN = Path(__file__).parents[3] / "packaging/man/leasewatch.1"


@pytest.fixture(autouse=True)
def paths(tmp_path: Path) -> Paths:
    """A host without a service; the fixture of this folder has leases of its own."""
    return Paths(tmp_path)


PRINTED = {
    "columns in the order that is asked for": (
        ["-c", "address,name"],
        "ADDRESS NAME|10.77.0.7 host2|10.77.0.8 host3|10.77.0.6 host10|- wpad",
    ),
    "further columns": (
        ["-c", "Name, hostname", "host10"],
        "NAME HOSTNAME|host10 h10",
    ),
    "no heading": (
        ["-c", "name,network", "--no-header", "--network", "lab2"],
        "host2 lab2",
    ),
    "a state without its reason, which is beside it": (
        ["-c", "name,state,reason", "wpad"],
        "NAME STATE REASON|wpad refused it is reserved",
    ),
    "CSV": (
        ["-o", "csv", "--columns=name,expires", "host10", "host2"],
        f"name,expires|host2,|host10,{LATER}",
    ),
    "CSV without its first line": (["-o", "csv", "-c", "name", "--no-header", "wpad"], "wpad"),
    "a column twice": (["-o", "csv", "-c", "name,name", "wpad"], "name|wpad"),
    "an object a line": (
        ["-o", "jsonl", "-c", "name,expires", "host10"],
        f'{{"schema": 1, "name": "host10", "expires": {LATER}}}',
    ),
    "virsh's words for a network": (
        ["net-dhcp-leases", "lab2", "-c", "name"],
        "NAME|host2",
    ),
    "virsh's words for all networks and a MAC": (
        ["net-dhcp-leases", "--mac", "52:54:00:00:00:01", "-o", "name"],
        "host2|host3|host10",
    ),
    "virsh's word for a domain": (
        ["domifaddr", "host3", "--source", "arp", "-c", "name,from"],
        "NAME FROM|host3 neighbour",
    ),
}


@pytest.mark.parametrize(("words", "lines"), PRINTED.values(), ids=PRINTED)
def test_a_script_gets_what_it_asks_for(
    paths: Paths, capsys: pytest.CaptureFixture[str], words: list[str], lines: str
) -> None:
    if words[0] not in {"net-dhcp-leases", "domifaddr"}:
        words = ["list", *words]
    with answering(paths, ENTRIES):
        code, out, err = run(paths, capsys, *words)
    assert (code, err) == (0, "")
    spaces = " " if "jsonl" in words else r" +"
    assert [re.sub(spaces, " ", line) for line in out.splitlines()] == lines.split("|")


def test_every_row_of_json_has_the_number_of_its_schema_and_the_keys_that_the_man_page_lists(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(paths, ENTRIES):
        rows = json.loads(run(paths, capsys, "list", "-o", "json")[1])
        lines = run(paths, capsys, "list", "-o", "jsonl")[1].splitlines()
    assert [json.loads(line) for line in lines] == rows
    assert {row.pop("schema") for row in rows} == {1}
    _, columns, _ = list_leases.ROWS
    keys = {*columns.help.partition(" order: ")[2].removesuffix(".").split(", ")}
    assert {frozenset(row) for row in rows} == {frozenset(keys)}
    section = MAN.read_text().partition(".SH JSON")[2].partition(".B leasewatch history")[0]
    assert set(re.findall(r"^\.IR? (\w+)", section, re.MULTILINE)) >= keys


@pytest.mark.parametrize("output", ["table", "wide", "csv", "json", "name"])
def test_a_column_that_is_not_there_is_named_with_those_that_are(
    paths: Paths, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    code, out, err = run(paths, capsys, "list", "-c", "name,nmae", "-o", output)
    assert (code, out) == (2, "")
    assert 'there is no column "nmae", only: name, network, address, mac' in json.dumps(
        err
    ).replace("\\", "")


@pytest.mark.parametrize(
    ("source", "names"),
    [("libvirt", {"host2"}), ("pyvirt", {"host10"}), ("lease", {"host2", "host10"})],
)
def test_a_kind_of_server_stands_for_its_lease_files(
    paths: Paths, capsys: pytest.CaptureFixture[str], source: str, names: set[str]
) -> None:
    with answering(paths, ENTRIES):
        code, out, _ = run(paths, capsys, "list", "-o", "name", "--source", source)
    assert (code, set(out.split())) == (0, names)


def test_a_source_that_is_none_is_wrong_usage(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(paths, ENTRIES):
        code, _, err = run(paths, capsys, "list", "--source", "agent")
    assert (code, err.splitlines()[-1]) == (2, "  hint: leasewatch sources")
    assert '"agent" is not lease, neighbour' in err


@pytest.mark.parametrize("word", ["net-dhcp-leases", "domifaddr"])
def test_help_does_not_list_the_words_of_virsh(
    paths: Paths, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert word not in run(paths, capsys, "--help")[1]
    assert run(paths, capsys, word, "--help")[0] == 0
