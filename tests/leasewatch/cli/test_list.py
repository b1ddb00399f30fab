"""`leasewatch list` without a service: from a table and lease files."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from nss_pyvirt import snapshot
from nss_pyvirt.terminal import show
from tests.leasewatch.cli.asking import DOWN, LATER, LOOPBACK, STARTS, publish, run, v4

LAB = {f"10.77.0.{host}" for host in range(5, 10)}
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
    "leases": (["WEB1", "--source", "lease"], {"10.77.0.5"}),
    "a lease file": (["--source", "{root}/var/lib/pyvirt/leases/lab.leases"], LAB),
    "virsh's word for a MAC": (["--mac", "52:54:00:00:00:09"], {"10.77.0.9"}),
}


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


@pytest.mark.parametrize(("argv", "addresses"), FILTERS.values(), ids=FILTERS)
def test_the_list_can_be_limited(
    paths: Paths, capsys: pytest.CaptureFixture[str], argv: list[str], addresses: set[str]
) -> None:
    argv = [word.format(root=paths.root) for word in argv]
    code, out, _ = run(paths, capsys, "list", *argv, "-o", "json")
    assert (code, {entry["address"] for entry in json.loads(out)}) == (0, addresses)


@pytest.mark.parametrize(
    "argv", [["web9"], ["--network", "lan"], ["--source", "arp"], ["wpad", "--state", "published"]]
)
def test_a_list_of_what_is_not_there_fails(
    paths: Paths, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    code, out, err = run(paths, capsys, "list", *argv)
    assert (code, out) == (3, "")
    assert "leasewatch: no lease matches\n" in err


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("db1", "domain db1 is not running: sudo pyvirt domain start db1"),
        ("bd1", "did you mean db1?"),
        ("other", "leasewatch list shows every lease"),
    ],
)
def test_a_name_that_is_not_there_has_the_likely_reason_as_its_hint(
    paths: Paths, capsys: pytest.CaptureFixture[str], name: str, hint: str
) -> None:
    paths.domain_definitions.mkdir(parents=True)
    (paths.domain_definitions / "db1.toml").touch()
    code, out, err = run(paths, capsys, "list", name)
    assert (code, out) == (3, "")
    assert err.splitlines()[-2:] == ["leasewatch: no lease matches", f"  hint: {hint}"]


def test_names_come_in_the_order_in_which_a_person_counts(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["host1", "host2", "host10", "host010a", "hosts"]
    hosts = [snapshot.Host((name,), (v4(f"10.9.0.{9 - i}"),)) for i, name in enumerate(names)]
    publish(paths, hosts[::-1])
    assert run(paths, capsys, "list", "-o", "name")[1].split() == names
    rows = run(paths, capsys, "list", "-o", "csv")[1].splitlines()[1:]
    assert [row.split(",")[0] for row in rows if row.split(",")[0] in names] == names


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


def test_an_empty_list_says_where_to_look_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(Paths(root=tmp_path), capsys, "list")
    assert (code, out) == (0, "")
    assert err.endswith(
        "leasewatch: no leases yet\n  hint: leasewatch sources shows where it looks\n"
    )
    assert "no lease" not in run(Paths(root=tmp_path), capsys, "list", "-o", "csv")[2]


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
    assert "not a host table of this version, or a damaged one" in err


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


def test_settings_with_a_fault_hide_no_lease(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.config.parent.mkdir(parents=True, exist_ok=True)
    paths.config.write_text("[names\n")
    code, out, _ = run(paths, capsys, "list", "-o", "name")
    assert (code, out.split()) == (0, ["guest1", "orphan", "web1"])
