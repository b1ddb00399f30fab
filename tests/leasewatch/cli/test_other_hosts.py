"""The names of the site's other hosts in `list --all-hosts`, `resolve` and `ip`."""

from __future__ import annotations

import csv
import io
import json
import os

import pytest

from leasewatch.paths import Paths
from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import Host
from tests.leasewatch.cli.asking import NOW, run, v4

SITE = "vm.example.org"
SETTINGS = """
[dns]
host = "hosta"
site = "example.org"
key = "site"
pull = ["hostb 10.99.0.5", "hostc 10.99.0.6"]
"""
PEERS = [
    Host((f"db1.lab.hostb.{SITE}",), (v4("10.78.0.5"),), rank=1),
    Host((f"db1.hostb.{SITE}", "db1"), (v4("10.78.0.5"),)),
    Host((f"kiosk.dmz.hostb.{SITE}",), (v4("10.78.1.5"), v4("10.78.1.6")), rank=1),
    Host((f"web1.lab.hostc.{SITE}",), (v4("10.79.0.5"),), rank=1),
    Host((f"web1.hostc.{SITE}",), (v4("10.79.0.5"),)),
]


@pytest.fixture
def site(paths: Paths) -> Paths:
    """The host of `paths`, which is hosta of a site."""
    paths.config.parent.mkdir(parents=True)
    paths.config.write_text(SETTINGS)
    paths.dns_run.mkdir(parents=True)
    paths.peers_snapshot.write_bytes(snapshot.encode(PEERS, generation=1, published=NOW))
    paths.peers_snapshot.chmod(0o644)
    return paths


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("db1", ["10.78.0.5"]),
        (f"DB1.lab.hostb.{SITE}.", ["10.78.0.5"]),
        (f"kiosk.dmz.hostb.{SITE}", ["10.78.1.5", "10.78.1.6"]),
        (f"web1.hostc.{SITE}", ["10.79.0.5"]),
        ("10.79.0.5", ["10.79.0.5"]),
    ],
)
def test_ip_prints_the_addresses_of_another_hosts_name(
    site: Paths, capsys: pytest.CaptureFixture[str], name: str, addresses: list[str]
) -> None:
    code, out, _ = run(site, capsys, "ip", name)
    assert (code, out.split()) == (0, addresses)


def test_this_hosts_names_come_first(site: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert "10.77.0.5" in run(site, capsys, "ip", "web1")[1].split()


def test_names_of_other_hosts_answer_where_this_host_has_published_nothing(
    site: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    site.snapshot.unlink()
    assert run(site, capsys, "ip", "db1")[:2] == (0, "10.78.0.5\n")
    assert run(site, capsys, "ip", "nosuch")[0] == 1


def test_a_damaged_table_of_other_hosts_changes_nothing(
    site: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    site.peers_snapshot.write_bytes(b"x" * 999)
    code, _, err = run(site, capsys, "ip", "db1")
    assert code == 3
    assert 'no host has the name or address "db1"' in err
    code, out, err = run(site, capsys, "list", "--all-hosts")
    assert code == 0
    assert "web1" in out
    assert "damaged" in err


def test_resolve_explain_names_the_host(site: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(site, capsys, "resolve", "db1", "--explain")
    assert "host hostb of this site has it" in out
    reply = json.loads(run(site, capsys, "resolve", "db1", "-o", "json")[1])
    assert (reply["name"], reply["aliases"], reply["trust"]) == (
        f"db1.hostb.{SITE}",
        ["db1"],
        "owner",
    )
    reply = json.loads(run(site, capsys, "resolve", "10.78.1.5", "-o", "json")[1])
    (kiosk,) = reply["candidates"]
    assert (kiosk["name"], kiosk["network"], kiosk["trust"]) == ("kiosk", "dmz", "guest")


def test_list_all_hosts_has_a_column_host(site: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(site, capsys, "list", "--all-hosts", "-o", "wide")
    heading, *rows = [line.split() for line in out.splitlines()]
    assert heading[:4] == ["NAME", "HOST", "NETWORK", "ADDRESS"]
    assert ["web1", "hostc", "lab", "10.79.0.5", "-", "-", "-", "owner", "published"] in rows
    assert ["kiosk", "hostb", "dmz", "10.78.1.5", "-", "-", "-", "guest", "published"] in rows
    assert [row[1] for row in rows if row[0] == "web1"] == ["hosta", "hosta", "hosta", "hostc"]
    assert len([row for row in rows if row[0] == "db1"]) == 1


def test_list_all_hosts_in_every_format(site: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(run(site, capsys, "list", "--all-hosts", "-o", "json")[1])
    assert len({frozenset(row) for row in listed}) == 1
    (web1,) = (row for row in listed if row["host"] == "hostc")
    assert (web1["full_name"], web1["address"]) == (f"web1.lab.hostc.{SITE}", "10.79.0.5")
    assert "web1 alone does not answer here" in web1["reason"]
    table = csv.DictReader(io.StringIO(run(site, capsys, "list", "--all-hosts", "-o", "csv")[1]))
    assert {row["host"] for row in table} == {"hosta", "hostb", "hostc"}
    names = run(site, capsys, "list", "--all-hosts", "-o", "name")[1].split()
    assert {"web1", f"web1.lab.hostc.{SITE}", f"db1.lab.hostb.{SITE}"} <= set(names)
    assert "db1" not in names


@pytest.mark.parametrize(
    "argv", [["db1"], [f"db1.lab.hostb.{SITE}"], ["10.78.0.5"]], ids=lambda argv: argv[0]
)
def test_list_all_hosts_takes_the_same_filters(
    site: Paths, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    code, out, _ = run(site, capsys, "list", "--all-hosts", "-c", "name,host", *argv)
    assert (code, out.splitlines()[1:]) == (0, ["db1   hostb"])


def test_without_the_option_list_is_as_ever(
    site: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "hostb" not in run(site, capsys, "list", "-o", "json")[1]
    assert {row["host"] for row in json.loads(run(site, capsys, "list", "-o", "json")[1])} == {None}


def test_list_all_hosts_without_peers_says_what_to_set(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(paths, capsys, "list", "--all-hosts", "-c", "name,host")
    assert code == 0
    assert "no other host is known" in err
    assert 'pull = ["HOST ADDRESS"]' in err
    assert os.uname().nodename.partition(".")[0].lower() in out


def test_a_name_that_does_not_answer_alone_is_explained(
    site: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(site, capsys, "ip", "Kiosk")
    assert code == 3
    full = f"kiosk.dmz.hostb.{SITE}"
    assert f'no host has the name or address "Kiosk": on host hostb it is {full}' in err
    assert "hint: leasewatch resolve Kiosk --explain" in err
    code, out, _ = run(site, capsys, "resolve", "kiosk", "--explain", "-c", "name,state,reason")
    assert code == 3
    assert out.splitlines()[1].split(maxsplit=2) == [
        "kiosk",
        "refused",
        f"on host hostb it is {full}",
    ]
