"""`leasewatch ip` and `resolve` without a service: from a table and lease files."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

import pytest

from leasewatch.paths import Paths
from nss_pyvirt import snapshot
from nss_pyvirt.terminal import show
from tests.leasewatch.cli.asking import DOWN, LATER, LOOPBACK, NOW, publish, run, v4

ASK = """
import pathlib, sys
from leasewatch.cli.leasewatch import main
from leasewatch.paths import Paths
sys.exit(main(sys.argv[2:], Paths(root=pathlib.Path(sys.argv[1]))))
"""

ADDRESSES = {
    "all": (["web1"], ["10.77.0.5", "fd12::5", f"fe80::5%{LOOPBACK}"]),
    "any case and a final dot": (["WEB1."], ["10.77.0.5", "fd12::5", f"fe80::5%{LOOPBACK}"]),
    "IPv4": (["-4", "web1"], ["10.77.0.5"]),
    "IPv6": (["web1", "-6"], ["fd12::5", f"fe80::5%{LOOPBACK}"]),
    "both": (["-6", "web1", "-4"], ["10.77.0.5", "fd12::5", f"fe80::5%{LOOPBACK}"]),
    "an alias": (["guest1.lab.internal"], ["10.77.0.6"]),
}


@pytest.mark.parametrize(("argv", "addresses"), ADDRESSES.values(), ids=ADDRESSES)
def test_ip_prints_bare_addresses_one_a_line(
    paths: Paths, capsys: pytest.CaptureFixture[str], argv: list[str], addresses: list[str]
) -> None:
    code, out, err = run(paths, capsys, "ip", *argv)
    assert (code, out.splitlines()) == (0, addresses)
    assert DOWN in err


def test_all_addresses_are_one_write_so_that_head_breaks_no_pipe(paths: Paths) -> None:
    writes, output = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with writes:
        with output:
            argv = [sys.executable, "-c", ASK, str(paths.root), "ip", "web1"]
            subprocess.run(argv, stdout=output.fileno(), stderr=subprocess.DEVNULL, check=True)
        # The end of the file reads as nothing, and Python writes nothing once, too.
        said = [message for _ in range(8) if (message := writes.recv(4096))]
    assert [message.count(b"\n") for message in said] == [3]


def test_a_query_for_a_stopped_domain_hints_at_the_start_command(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.domain_definitions.mkdir(parents=True)
    (paths.domain_definitions / "db1.toml").touch()
    code, _, err = run(paths, capsys, "ip", "db1")
    assert (code, err.splitlines()[-2:]) == (
        3,
        [
            'leasewatch: no host has the name or address "db1"',
            "  hint: domain db1 is not running: sudo pyvirt domain start db1",
        ],
    )


def test_a_misspelt_domain_gets_a_suggestion(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.domain_definitions.mkdir(parents=True)
    (paths.domain_definitions / "db1.toml").touch()
    for command_ in ("ip", "resolve"):
        assert run(paths, capsys, command_, "bd1")[2].endswith("  hint: did you mean db1?\n")


def test_explain_prints_no_table_of_nothing(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(paths, capsys, "resolve", "web9", "--explain")[:2] == (3, "")


def test_resolve_shows_what_a_name_answers(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(paths, capsys, "resolve", "web1")
    assert code == 0
    assert out.splitlines()[1].split() == [
        "web1", "10.77.0.5", "lab", "lease", *show.expiry(LATER, time.time()).split(), "owner",
    ]  # fmt: skip
    code, out, _ = run(paths, capsys, "resolve", "10.77.0.6", "-o", "json")
    answer = json.loads(out)
    assert (answer["name"], answer["aliases"]) == ("guest1", ["guest1.lab.internal"])
    assert [address["address"] for address in answer["addresses"]] == ["10.77.0.6"]
    assert [candidate["mac"] for candidate in answer["candidates"]] == ["52:54:00:00:00:06"]
    assert run(paths, capsys, "resolve", "10.77.0.6", "-o", "name")[:2] == (0, "guest1\n")
    assert run(paths, capsys, "resolve", "slow")[1].splitlines()[1].split() == [
        "slow", "-", "-", "-", "not", "yet", "guest",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (f"fe80::5%{LOOPBACK}", "web1"),
        ("fe80::5%pv-lab", "web1"),
        ("FD12:0::5", "web1"),
        ("::ffff:10.77.0.6", "guest1"),
    ],
)
def test_an_address_is_one_however_it_is_written(
    paths: Paths, capsys: pytest.CaptureFixture[str], query: str, name: str
) -> None:
    assert run(paths, capsys, "resolve", query, "-o", "name")[:2] == (0, f"{name}\n")


def test_explain_lists_refused_candidates_even_if_nothing_answers(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(paths, capsys, "resolve", "wpad", "--explain")
    assert code == 3
    assert "52:54:00:00:00:07" in out
    assert "refused" in out
    assert err.endswith(
        'leasewatch: no host has the name or address "wpad": it is not in the published table\n'
        "  hint: leasewatch list shows every lease\n"
    )
    asked = run(paths, capsys, "resolve", "wpad")[2]
    assert asked.endswith("  hint: leasewatch resolve wpad --explain\n")


def test_expired_addresses_are_not_returned_if_the_service_is_dead(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(paths, [snapshot.Host(("web1",), (v4("10.77.0.5", expires=NOW - 1),))])
    assert run(paths, capsys, "ip", "web1")[0] == 3
