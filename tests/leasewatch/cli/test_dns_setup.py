"""`leasewatch dns setup`: what it prints, and one clear line for what is missing.

tests/test_secondaries.py starts the name servers with it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from leasewatch.cli.leasewatch import main
from leasewatch.paths import Paths

SITE = """[dns]
listen = ["127.0.0.1:5300", "[::1]:5301"]
host = "hosta"
site = "example.org"
key = "xfr"
notify = ["127.0.0.1", "127.0.0.1:5302"]
reverse = ["10.77.0.0/24"]
pull = ["hostb 127.0.0.2"]
"""
UPDATE = '[dns.update]\nserver = "127.0.0.1"\nzone = "vms.example.org"\nkey = "update"\n'
Out = pytest.CaptureFixture[str]


def _print(root: Path, settings: str, *words: str) -> int:
    paths = Paths(root)
    paths.config.parent.mkdir(parents=True, exist_ok=True)
    paths.config.write_text(settings)
    return main(["dns", "setup", *words], paths)


@pytest.mark.parametrize(
    ("server", "primary", "key_file"),
    [
        ("bind", "primaries { 127.0.0.1 port 5300 key xfr; };", "/etc/bind/xfr.key"),
        ("knot", "address: 127.0.0.1@5300", "/etc/knot/xfr.conf"),
        ("nsd", "request-xfr: 127.0.0.1@5300 xfr", "/etc/nsd/xfr.conf"),
        ("powerdns", " 127.0.0.1:5300\n", "xfr.key"),
    ],
)
def test_it_names_the_zones_where_to_ask_and_the_file_of_the_key(
    tmp_path: Path, capsys: Out, server: str, primary: str, key_file: str
) -> None:
    assert _print(tmp_path, SITE, server) == 0
    printed = capsys.readouterr().out
    for text in ("hosta.vm.example.org", "0.77.10.in-addr.arpa", primary, key_file):
        assert text in printed
    assert "hostb" not in printed
    assert not [line for line in printed.splitlines() if len(line) > 200]


@pytest.mark.parametrize(
    ("server", "primary"),
    [
        ("bind", "fd00::2 port 53 key xfr;"),
        ("knot", "fd00::2@53"),
        ("nsd", "fd00::2@53 xfr"),
        ("powerdns", "[fd00::2]:53"),
    ],
)
def test_the_user_may_say_where_to_ask_and_where_the_key_is(
    tmp_path: Path, capsys: Out, server: str, primary: str
) -> None:
    words = (server, "--primary", "fd00::2", "--key-file", "/etc/dns/k")
    assert _print(tmp_path, SITE.replace("notify", "#notify"), *words) == 0
    printed = capsys.readouterr().out
    assert primary in printed
    assert "/etc/dns/k" in printed


HUB = SITE.replace("[dns]", '[dns]\ncatalog = "hub"')
DIRECT = SITE.replace("[dns]", '[dns]\ncatalog = "direct"')


@pytest.mark.parametrize(
    ("server", "words", "has_catalog"),
    [
        ("bind", [], True),
        ("knot", [], True),
        ("nsd", [], False),
        ("nsd", ["--catalog"], True),
        ("powerdns", [], False),
    ],
)
def test_a_hub_gives_a_catalog_to_those_that_can_follow_it_and_each_zone_to_the_others(
    tmp_path: Path, capsys: Out, server: str, words: list[str], has_catalog: bool
) -> None:
    assert _print(tmp_path, HUB, server, *words) == 0
    printed = capsys.readouterr().out
    assert ("catalog.vm.example.org" in printed) == has_catalog
    assert ("hostb.vm.example.org" in printed) != has_catalog


@pytest.mark.parametrize(
    ("settings", "words", "what"),
    [
        ("", ["bind"], "[dns] site is not set in leasewatch.toml"),
        (SITE.replace("listen", "#listen"), ["nsd"], "[dns] listen is not set"),
        (SITE.replace("notify", "#notify"), ["knot"], "[dns] notify is not set"),
        (SITE.replace("key", "#key"), ["bind"], "site: needs key"),
        (DIRECT, ["knot"], "only BIND takes each zone of a catalog from its own host"),
        (SITE, ["nsd", "--catalog"], "there is no catalog"),
        (HUB, ["powerdns", "--catalog"], "PowerDNS does not sign its questions"),
        (SITE.replace("127.0.0.1:5300", "0.0.0.0:5300"), ["bind"], "no address of its own"),
        (SITE.replace('"127.0.0.1:5300", ', ""), ["bind"], "listen has no IPv4 address"),
        (UPDATE, ["nsd"], "leasewatch knows no configuration of nsd for [dns.update]"),
        (SITE, ["bind", "--primary", "web1"], "is neither ADDRESS nor ADDRESS:PORT"),
    ],
)
def test_what_is_missing_is_one_line_and_what_to_do(
    tmp_path: Path, capsys: Out, settings: str, words: list[str], what: str
) -> None:
    assert _print(tmp_path, settings, *words) != 0
    captured = capsys.readouterr()
    assert captured.out == ""
    first, hint, *more = captured.err.splitlines()
    assert what in first
    assert hint.startswith("  hint: ")
    assert not more


def test_the_part_for_updates_follows_or_stands_alone(tmp_path: Path, capsys: Out) -> None:
    assert _print(tmp_path, SITE + UPDATE, "bind") == 0
    printed = capsys.readouterr().out
    assert "hosta.vm.example.org" in printed
    assert "update-policy" in printed
    assert _print(tmp_path, UPDATE, "knot") == 0
    printed = capsys.readouterr().out
    assert "update-owner" in printed
    assert "hosta" not in printed
