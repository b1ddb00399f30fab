"""`leasewatch list`, `ip` and `resolve` without a service: from a table and lease files."""

from __future__ import annotations

import csv
import io
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import click
import msgspec
import pytest
from click.shell_completion import ShellComplete

from leasewatch.api.interface import Entry, ListReply
from leasewatch.cli.leasewatch import command, main
from leasewatch.model import DomainState, NetworkState, Nic
from leasewatch.paths import Paths
from nss_pyvirt import snapshot
from nss_pyvirt.terminal import frame, show

NOW = int(time.time())
LATER = NOW + 7 * 86400 + 1800
ASK = """
import pathlib, sys
from leasewatch.cli.leasewatch import main
from leasewatch.paths import Paths
sys.exit(main(sys.argv[2:], Paths(root=pathlib.Path(sys.argv[1]))))
"""
DOWN = "the leasewatch service is not running"


STARTS = {
    "  hint: sudo leasewatch serve",
    "  hint: sudo systemctl restart leasewatch.service",
}


def v4(text: str, expires: int = LATER) -> snapshot.Address:
    return snapshot.Address(socket.AF_INET, socket.inet_pton(socket.AF_INET, text), expires)


def v6(text: str, ifindex: int = 0) -> snapshot.Address:
    packed = socket.inet_pton(socket.AF_INET6, text)
    return snapshot.Address(socket.AF_INET6, packed, LATER, ifindex)


HOSTS = [
    snapshot.Host(
        ("web1", "web1.lab.internal"), (v4("10.77.0.5"), v6("fd12::5"), v6("fe80::5", 1))
    ),
    snapshot.Host(("guest1", "guest1.lab.internal"), (v4("10.77.0.6"),)),
    snapshot.Host(("slow",), (), pending_until=LATER),
    snapshot.Host(("orphan",), (v4("10.88.0.9"),)),
]
LEASES = f"""\
{LATER} 52:54:00:00:00:05 10.77.0.5 web1 01:52:54:00:00:00:05
0 52:54:00:00:00:06 10.77.0.6 guest1 *
{LATER} 52:54:00:00:00:07 10.77.0.7 wpad *
{NOW - 5} 52:54:00:00:00:08 10.77.0.8 old *
{LATER} 52:54:00:00:00:09 10.77.0.9 * *
this line is broken
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A host with network lab, domain web1, a published table, and no service."""
    paths = Paths(root=tmp_path)
    for folder in (paths.network_runs, paths.domain_runs, paths.service_run, paths.leases):
        folder.mkdir(parents=True)
    leases = paths.leases / "lab.leases"
    leases.write_text(LEASES)
    network = NetworkState(
        name="lab", bridge="pv-lab", suffix="internal", lease_file=str(leases),
        subnets=("10.77.0.0/24",), pid=1, started=0,
    )  # fmt: skip
    (paths.network_runs / "lab.json").write_bytes(msgspec.json.encode(network))
    domain = DomainState(
        name="web1", nics=(Nic("lab", "52:54:00:00:00:05"),), pid=1, started=0, pending_until=0
    )
    (paths.domain_runs / "web1.json").write_bytes(msgspec.json.encode(domain))
    publish(paths, HOSTS)
    return paths


def publish(paths: Paths, hosts: list[snapshot.Host]) -> None:
    paths.snapshot.write_bytes(snapshot.encode(hosts, generation=3, published=NOW))
    paths.snapshot.chmod(0o644)


def run(paths: Paths, capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(list(argv), paths)
    output = capsys.readouterr()
    return code, output.out, output.err


def test_the_list_shows_every_lease_and_why_it_does_not_answer(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(paths, capsys, "list")
    assert code == 0
    down, hint = err.splitlines()
    assert DOWN in down
    assert hint in STARTS
    rows = [[" ".join(c.split()) for c in line.split("  ") if c] for line in out.splitlines()]
    assert rows[0] == ["NAME", "NETWORK", "ADDRESS", "MAC", "FROM", "EXPIRES", "TRUST", "STATE"]
    table = {(row[0], row[2]): row for row in rows[1:]}
    assert table["web1", "10.77.0.5"][3:] == [
        "52:54:00:00:00:05", "lease", show.expiry(LATER, time.time()), "owner", "published",
    ]  # fmt: skip
    assert table["guest1", "10.77.0.6"][4:] == ["lease", "never", "guest", "published"]
    assert table["wpad", "10.77.0.7"][7] == "refused: it is not in the published table"
    assert table["old", "10.77.0.8"][7] == "expired: its lease has expired"
    assert table["-", "10.77.0.9"][6:] == ["-", "unnamed"]
    assert table["slow", "-"][4:] == [
        "-", "-", "guest", "pending: the domain is running and has no lease yet",
    ]  # fmt: skip
    assert table["orphan", "10.88.0.9"][3:5] == ["-", "-"]
    assert ("web1", f"fe80::5%{LOOPBACK}") in table


# what is asked for, the addresses that are listed
FILTERS = {
    "a name": (["web1"], {"10.77.0.5", "fd12::5", "fe80::5"}),
    "a name in capitals with a final dot": (["WEB1."], {"10.77.0.5", "fd12::5", "fe80::5"}),
    "an address": (["10.77.0.7"], {"10.77.0.7"}),
    "a MAC": (["52:54:00:00:00:09"], {"10.77.0.9"}),
    "two of them": (["wpad", "10.77.0.6"], {"10.77.0.6", "10.77.0.7"}),
    "a state": (["--state", "refused"], {"10.77.0.7"}),
    "two states": (["--state", "expired", "--state", "unnamed"], {"10.77.0.8", "10.77.0.9"}),
    "a name and a network": (["web1", "--network", "lab"], {"10.77.0.5"}),
}


@pytest.mark.parametrize(("argv", "addresses"), FILTERS.values(), ids=FILTERS)
def test_the_list_can_be_limited(
    paths: Paths, capsys: pytest.CaptureFixture[str], argv: list[str], addresses: set[str]
) -> None:
    code, out, _ = run(paths, capsys, "list", *argv, "-o", "json")
    assert (code, {entry["address"] for entry in json.loads(out)}) == (0, addresses)


@pytest.mark.parametrize("argv", [["web9"], ["--network", "lan"], ["wpad", "--state", "published"]])
def test_a_list_of_what_is_not_there_fails(
    paths: Paths, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    code, out, err = run(paths, capsys, "list", *argv)
    assert (code, out) == (3, "")
    assert "leasewatch: no lease matches\n" in err


def test_names_come_in_the_order_in_which_a_person_counts(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["host1", "host2", "host10", "host010a", "hosts"]
    hosts = [snapshot.Host((name,), (v4(f"10.9.0.{9 - i}"),)) for i, name in enumerate(names)]
    publish(paths, hosts[::-1])
    assert run(paths, capsys, "list", "-o", "name")[1].split() == names
    rows = run(paths, capsys, "list", "-o", "csv")[1].splitlines()[1:]
    assert [row.split(",")[0] for row in rows if row.split(",")[0] in names] == names


@pytest.mark.parametrize("typed", ["leasewatch ip w", "leasewatch history w", "leasewatch list w"])
def test_a_shell_completes_names_that_the_service_knows(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    known = [
        Entry(name=name, trust="owner", verdict="published", reason="", network="lab")
        for name in ("web1", "db", None)
    ]
    reply = ListReply(entries=known, generation=1)
    monkeypatch.setattr("leasewatch.api.client.list_entries", lambda _: reply)
    _, *words, last = typed.split()
    completion = ShellComplete(command, {"obj": paths}, "leasewatch", "_X")
    found = completion.get_completions(words, last)
    assert [item.value for item in found] == ["web1"]


def test_a_shell_gets_no_names_and_no_error_without_the_service(paths: Paths) -> None:
    completion = ShellComplete(command, {"obj": paths}, "leasewatch", "_X")
    assert completion.get_completions(["ip"], "w") == []


def test_json_gives_numbers_and_null_for_never(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run(paths, capsys, "list", "-o", "json")
    entries = {entry["address"]: entry for entry in json.loads(out)}
    assert entries["10.77.0.5"]["expires"] == LATER
    assert entries["10.77.0.6"]["expires"] is None
    assert entries["10.77.0.5"]["client_id"] == "01:52:54:00:00:00:05"


def test_csv_has_one_header_and_the_reason_apart(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run(paths, capsys, "list", "-o", "csv")
    rows = {row["address"]: row for row in csv.DictReader(io.StringIO(out))}
    assert rows["10.77.0.7"]["state"] == "refused"
    assert rows["10.77.0.7"]["reason"] == "it is not in the published table"
    assert rows["10.77.0.6"]["expires"] == ""


@pytest.mark.parametrize("argv", [["list"], ["resolve", "web1", "--explain"]])
def test_json_and_csv_have_the_words_of_the_table(
    paths: Paths, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    heads = run(paths, capsys, *argv)[1].splitlines()[0].lower().split()
    shown = json.loads(run(paths, capsys, *argv, "-o", "json")[1])
    row = (shown if isinstance(shown, list) else shown["candidates"])[0]
    line = next(csv.DictReader(io.StringIO(run(paths, capsys, *argv, "-o", "csv")[1])))
    assert set(heads) <= row.keys() & line.keys()
    assert line.keys() <= row.keys()
    assert row["state"] == line["state"]
    assert row["from"] == line["from"] or (row["from"], line["from"]) == (None, "")


def test_names_are_those_that_answer_now_each_once(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run(paths, capsys, "list", "-o", "name")
    assert out.split() == ["guest1", "orphan", "web1"]


LOOPBACK = socket.if_indextoname(1)
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


FAILURES = {
    "unknown name": (["ip", "web9"], 3, 'no host has the name or address "web9"'),
    "unknown address": (
        ["resolve", "10.77.0.99"],
        3,
        'no host has the name or address "10.77.0.99"',
    ),
    "refused name": (["ip", "wpad"], 3, "it is not in the published table"),
    "family without an address": (["ip", "-6", "guest1"], 3, "guest1 has no IPv6 address"),
    "still starting": (["ip", "slow"], 3, "slow was started and has no address yet"),
    "bad format": (["list", "-o", "yaml"], 2, "'yaml' is not one of"),
    "no name": (["ip"], 2, "NAME is missing"),
    "no such command": (["frobnicate"], 2, "there is no command leasewatch frobnicate\n"),
    "nearly a command": (["sorces"], 2, "hint: did you mean: leasewatch sources\n"),
    "a name that drives the terminal": (
        ["ip", "\x1b[2J"],
        3,
        'no host has the name or address "\\x1b[2J"',
    ),
}


def test_wrong_usage_is_one_line_with_a_hint_like_any_other_mistake(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(paths, capsys, "list", "--yaml")
    assert (code, out) == (2, "")
    what, how = err.splitlines()
    assert what == "leasewatch: there is no option --yaml"
    assert how == "  hint: leasewatch list --help"


def test_no_command_at_all_shows_the_help(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(paths, capsys)
    assert "Examples:" in out + err
    assert "hint" not in out + err
    assert code in {0, 2}  # click 8.1, and later


def test_who_asks_for_a_domain_that_does_not_run_is_told_how_to_start_it(
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


def test_who_misspells_a_domain_is_told_which_was_meant(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.domain_definitions.mkdir(parents=True)
    (paths.domain_definitions / "db1.toml").touch()
    for command_ in ("ip", "resolve"):
        assert run(paths, capsys, command_, "bd1")[2].endswith("  hint: did you mean db1?\n")


def test_an_empty_list_says_where_to_look_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(Paths(root=tmp_path), capsys, "list")
    assert (code, out) == (0, "")
    assert err.endswith(
        "leasewatch: no leases yet\n  hint: leasewatch sources shows where it looks\n"
    )
    assert "no lease" not in run(Paths(root=tmp_path), capsys, "list", "-o", "csv")[2]


def test_explain_prints_no_table_of_nothing(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(paths, capsys, "resolve", "web9", "--explain")[:2] == (3, "")


@pytest.mark.parametrize(("argv", "code", "said"), FAILURES.values(), ids=FAILURES)
def test_failures_have_their_exit_code_and_say_what(
    paths: Paths, capsys: pytest.CaptureFixture[str], argv: list[str], code: int, said: str
) -> None:
    got, out, err = run(paths, capsys, *argv)
    assert (got, out) == (code, "")
    assert said in err
    assert "\x1b" not in err


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


def test_expired_addresses_of_a_dead_service_are_not_told(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(paths, [snapshot.Host(("web1",), (v4("10.77.0.5", expires=NOW - 1),))])
    assert run(paths, capsys, "ip", "web1")[0] == 3


def test_without_a_table_the_lease_files_are_still_listed(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.snapshot.unlink()
    code, out, _ = run(paths, capsys, "list", "-o", "json")
    assert (code, len(json.loads(out))) == (0, 5)
    code, _, err = run(paths, capsys, "ip", "web1")
    assert (code, "no names are published" in err) == (1, True)
    assert err.splitlines()[-1] in STARTS


def test_a_damaged_table_is_one_clear_line(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.snapshot.write_bytes(b"x" * 4096)
    code, _, err = run(paths, capsys, "list")
    assert code == 1
    assert "not a host table, or a damaged one" in err


HOSTILE = ("\x1b]0;owned\x07", "a\nb", "\u202eevil", "\udcff", "\x7f")


@pytest.mark.parametrize("output", ["table", "csv", "json", "name"])
@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_what_guests_say_never_reaches_the_terminal_raw(value: str, output: frame.Format) -> None:
    text = frame.render([{"name": value}], ["name"], output, name="name")
    assert value not in text
    assert text.isascii()


# (expires - now, what is shown)
EXPIRIES = [
    (None, "never"), (-1, "ended"), (0, "ended"), (1, "1s"), (61, "1m 1s"), (3600, "1h 0m"),
    (86399, "23h 59m"), (86400, "1d 0h"), (604799, "6d 23h"),
]  # fmt: skip


@pytest.mark.parametrize(("left", "shown"), EXPIRIES)
def test_expiry_is_shown_in_its_two_largest_units(left: int | None, shown: str) -> None:
    assert show.expiry(None if left is None else NOW + left, NOW) == shown


def test_every_query_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    context = click.Context(command)
    for name in set(command.list_commands(context)) - {"serve"}:
        assert main([name, "--help"]) == 0
        assert f"leasewatch {name}" in capsys.readouterr().out.partition("Examples:")[2]


def test_without_the_service_other_programs_lease_files_are_shown_too(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = paths.root / "var/lib/libvirt/dnsmasq"
    folder.mkdir(parents=True)
    lease = {"ip-address": "10.88.0.9", "mac-address": "52:54:00:00:00:0a", "expiry-time": LATER}
    (folder / "virbr0.status").write_text(json.dumps([lease]))
    (folder / "virbr0.macs").write_text('[{"domain": "orphan", "macs": ["52:54:00:00:00:0a"]}]')
    _, out, _ = run(paths, capsys, "list", "-o", "json")
    (row,) = [row for row in json.loads(out) if row["address"] == "10.88.0.9"]
    assert (row["name"], row["network"], row["trust"]) == ("orphan", "virbr0", "owner")


@pytest.mark.parametrize(("text", "code"), [("[names]\n", 0), ("[names]\npending_wait = 99\n", 1)])
def test_a_check_reports_each_fault_of_the_settings(
    paths: Paths, capsys: pytest.CaptureFixture[str], text: str, code: int
) -> None:
    paths.config.parent.mkdir(parents=True, exist_ok=True)
    paths.config.write_text(text + "[history]\ndays = 0\n" * code)
    got, out, err = run(paths, capsys, "serve", "--check")
    assert (got, out, err.count("leasewatch: ")) == (code, "", 2 * code)


def test_settings_with_a_fault_hide_no_lease(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.config.parent.mkdir(parents=True, exist_ok=True)
    paths.config.write_text("[names\n")
    code, out, _ = run(paths, capsys, "list", "-o", "name")
    assert (code, out.split()) == (0, ["guest1", "orphan", "web1"])


def test_a_user_who_may_not_serve_is_told_who_serves_already(
    paths: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_: Paths) -> None:
        raise PermissionError(13, "Permission denied", "lock")

    monkeypatch.setattr("leasewatch.daemon.account.settle", forbidden)
    code, _, err = run(paths, capsys, "serve")
    assert (code, err) == (
        1,
        "leasewatch: lock: Permission denied\n  hint: run as root, or as the user leasewatch\n",
    )
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(paths.varlink))
        server.listen()
        code, _, err = run(paths, capsys, "serve")
    assert code == 1
    assert err.startswith(f"leasewatch: leasewatch serves here already: process {os.getpid()}\n")


def test_sources_asks_the_service_alone(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(paths, capsys, "sources")
    assert (code, out) == (1, "")
    assert DOWN in err
    assert err.splitlines()[-1] in STARTS


def test_ages_are_told_in_two_units() -> None:
    assert [show.age(1000, now) for now in (1000, 1001, 1061, 4661)] == [
        "now",
        "1s",
        "1m 1s",
        "1h 1m",
    ]
