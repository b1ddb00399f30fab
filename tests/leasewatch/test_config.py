"""The settings: what is taken, and that each fault names the file and the key."""

from __future__ import annotations

import msgspec
import pytest

from leasewatch import config
from leasewatch.model import LeaseFile, Nic

PATH = "/etc/pyvirt/leasewatch.toml"
TWO_NAMES = """
[[host]]
name = "a"
mac = "00:00:00:00:00:0a"
network = "x"
[[host]]
name = "b"
mac = "00:00:00:00:00:0A"
network = "x"
"""
MANY_ALIASES = f"""
[[host]]
name = "a"
mac = "00:00:00:00:00:0a"
network = "x"
aliases = {[f"alias{n:03}" for n in range(56)]}
[[host]]
name = "A"
mac = "00:00:00:00:00:0b"
network = "x"
aliases = ["alias001", "extra001"]
"""


def parse(text: bytes) -> config.Config:
    """The settings in a text without faults."""
    settings, faults = config.read(text, PATH)
    assert not faults
    return settings


def test_an_empty_file_gives_the_defaults() -> None:
    assert parse(b"") == config.Config()


def test_a_source_takes_the_suffix_of_names_unless_it_has_its_own() -> None:
    text = b"""
    [[source]]
    path = "/a"
    network = "lan"
    [[source]]
    path = "/b"
    network = "lab"
    suffix = "lab.test"
    bridge = "br0"
    [[source]]
    path = "/c"
    network = "lab"
    bridge = ["br1", "br2"]
    kind = "kea"
    [names]
    suffix = "home.arpa"
    guest_claims = "off"
    reserved = ["printer"]
    """
    settings = parse(text)
    assert settings.lease_files() == [
        LeaseFile(path="/a", network="lan", suffix="home.arpa"),
        LeaseFile(path="/b", network="lab", suffix="lab.test"),
        LeaseFile(path="/c", network="lab", suffix="home.arpa", kind="kea"),
    ]
    assert settings.bridges() == {"lab": ["br0", "br1", "br2"]}
    assert settings.names.guest_claims == "off"
    assert settings.names.reserved == ["printer"]


def test_a_host_entry_is_a_named_card_that_may_or_may_not_run() -> None:
    text = b"""
    [[host]]
    name = "printer"
    mac = "00:1B:A9:00:00:01"
    network = "lan"
    aliases = ["scanner", "hp.example"]
    """
    (host,) = parse(text).hosts()
    assert (host.name, host.aliases, host.runs) == ("printer", ("scanner", "hp.example"), False)
    assert host.nics == (Nic("lan", "00:1b:a9:00:00:01"),)


@pytest.mark.parametrize(
    ("written", "kept"), [("10.0.0.9", "10.0.0.9"), ("FD77:0::9", "fd77::9"), ("", "")]
)
def test_a_host_may_have_an_address_that_it_sets_itself(written: str, kept: str) -> None:
    text = f"""[[host]]
    name = "printer"
    mac = "00:1B:A9:00:00:01"
    network = "lan"
    address = "{written}"
    """
    (host,) = parse(text.encode()).hosts()
    assert host.nics == (Nic("lan", "00:1b:a9:00:00:01", address=kept),)


def test_hosts_of_one_name_are_one_machine_with_all_their_cards_and_aliases() -> None:
    text = b"""
    [[host]]
    name = "laptop"
    mac = "00:00:00:00:00:01"
    network = "lan"
    aliases = ["notebook"]
    [[host]]
    name = "printer"
    mac = "00:00:00:00:00:03"
    network = "lan"
    [[host]]
    name = "Laptop"
    mac = "00:00:00:00:00:02"
    network = "wifi"
    aliases = ["notebook", "work"]
    """
    laptop, printer = parse(text).hosts()
    assert (laptop.name, laptop.aliases) == ("laptop", ("notebook", "work"))
    assert laptop.nics == (Nic("lan", "00:00:00:00:00:01"), Nic("wifi", "00:00:00:00:00:02"))
    assert printer.name == "printer"


def test_sources_are_looked_for_unless_they_are_switched_off() -> None:
    assert parse(b"[sources]\nlibvirt = false\nkea = true\n").off() == {"libvirt"}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (
            "[sources]\nlibvird = false",
            "sources.libvird: no such source; these can be switched off",
        ),
        (
            "[sources]\npyvirt = false",
            "sources.pyvirt: is always followed; these can be switched off",
        ),
        ("[sources]\nkea = 'no'", "sources.kea: expected true or false"),
        ("[sources]\nkea = 0", "sources.kea: expected true or false"),
        ("[host]\nname='a'", "host: write [[host]] instead of [host]"),
        ("[source]\npath='/a'", "source: write [[source]] instead of"),
        ("host = 'a'", "host: "),
        ("[names]\nguest_claims = 'all'", "names.guest_claims"),
        ("[names]\nguest_claim = 'off'", "names"),
        ("[names]\npending_wait = 31", "names.pending_wait"),
        ("[names]\npending_wait = -1", "names.pending_wait"),
        ("[names]\nreserved = [1]", "names.reserved[0]"),
        ("[[source]]\npath = '/a'\nnetwork = 'a'\nbridge = 'br 0'", "source[0].bridge"),
        ("[[source]]\npath = '/a'\nnetwork = 'a'\nbridge = ['br0', 'b/r']", "source[0].bridge"),
        ("[[source]]\npath = '/a'\nnetwork = 'a'\nbridge = [7]", "source[0].bridge"),
        (
            "[[source]]\npath = '/a'\nnetwork = 'a'\nkind = 'lxd'",
            'source[0].kind: "lxd" is not a kind of lease file; use one of dnsmasq, kea',
        ),
        ("[[source]]\npath = '/a'\nnetwork = 'a'\nkind = 'Kea'", "source[0].kind"),
        ("[names]\nsuffix = 'Lab'", "names.suffix"),
        ("[names]\nsuffix = '.lab'", "names.suffix"),
        ("[names]\nsuffix = 'corp.local'", 'names.suffix: "corp.local" is for multicast DNS'),
        ("[history]\ndays = 0", "history.days"),
        ("[history]\ndays = '90d'", "history.days"),
        ("[history]\nsize = 0.5", "history.size"),
        ("[history]\nsize = 9999999999", "history.size"),
        ("[history]\nenabled = 'no'", "history.enabled"),
        ("[history]\nage = 3", "history"),
        ("history = false", "history"),
        ("[[source]]\npath = '/a'", "source[0]"),
        ("[[source]]\npath = 7\nnetwork = 'lan'", "source[0].path"),
        ("[[source]]\npath = 'a'\nnetwork = 'lan'", "source[0].path"),
        ("[[source]]\npath = '/a'\nnetwork = 'l.an'", "source[0].network"),
        ("[[source]]\npath = '/a'\nnetwork = 'lan'\nsuffix = ''", "source[0].suffix"),
        ("[[source]]\npath = '/a'\nnetwork = 'lan'\nsuffix = 'onion'", "source[0].suffix"),
        (
            "[[source]]\npath='/a'\nnetwork='x'\n[[source]]\npath='/a'\nnetwork='y'",
            "source[1].path",
        ),
        ("[[host]]\nname='a'\nmac='00:00:00:00:00:01'", "host[0]"),
        ("[[host]]\nname='127.1'\nmac='00:00:00:00:00:01'\nnetwork='x'", "host[0].name"),
        ("[[host]]\nname='a'\nmac='00:00:00:00:01'\nnetwork='x'", "host[0].mac"),
        (
            "[[host]]\nname='a'\nmac='00:00:00:00:00:01'\nnetwork='x'\naliases=['b','c d']",
            "host[0].aliases[1]",
        ),
        *(
            (
                f"[[host]]\nname='a'\nmac='00:00:00:00:00:01'\nnetwork='x'\naddress='{address}'",
                f'host[0].address: "{address}" is not an IP address',
            )
            for address in ("10.0.0", "10.0.0.1/24", "printer", "fe80::1%br0", "0.0.0.0")
        ),
        (MANY_ALIASES, 'host[1].aliases: those of "A" take more than 512 bytes in all'),
        (TWO_NAMES, "host[1].mac: the card is host[0]'s already"),
        ("sources = []", ""),
        ("[names", ""),
        ("\udcff", ""),
    ],
    ids=lambda v: ascii(v)[:50],
)
def test_each_fault_names_the_file_and_the_key(text: str, key: str) -> None:
    _, faults = config.read(text.encode("utf-8", "surrogateescape"), PATH)
    assert faults[0].what.startswith(f"{PATH}: {key}")
    assert faults[0].hint


SOUND = b"[[source]]\npath = '/a'\nnetwork = 'lan'\n"

# a fault beside a sound source; what becomes of the rest
FAULTS = {
    "[[source]]\npath = 'b'\nnetwork = 'lan'": {},
    "[[host]]\nname = 'a'": {},
    "[history]\ndays = 0\nsize = 9": {"history": config.HistorySettings(size=9)},
    "[sources]\nkea = 'no'\nlxd = false": {"sources": {"kea": False, "lxd": False}},
    "[sources]\nkeas = true": {},
    "[colour]\nred = 3": {},
    "[names]\nsuffix = '.'\npending_wait = 9": {
        "names": config.Names(guest_claims="off", pending_wait=9)
    },
    "[names]\nreserved = 'wpad'": {"names": config.Names(guest_claims="off")},
}


@pytest.mark.parametrize(("text", "rest"), FAULTS.items(), ids=map(ascii, FAULTS))
def test_a_fault_costs_its_entry_alone(text: str, rest: dict[str, object]) -> None:
    settings, faults = config.read(SOUND + text.encode(), PATH)
    assert len(faults) == 1
    sound = parse(SOUND)
    assert settings == msgspec.structs.replace(sound, **rest)


def test_without_settings_that_can_be_read_guests_claim_no_names() -> None:
    settings, (fault,) = config.read(b"[names", PATH)
    assert (settings.names.guest_claims, settings.source) == ("off", [])
    assert "not TOML" in fault.what


def test_each_of_several_faults_is_reported() -> None:
    _, faults = config.read(b"[names]\nsuffix = '.'\npending_wait = 99\n[history]\ndays = 0", PATH)
    keys = [fault.what.split(": ")[1] for fault in faults]
    assert sorted(keys) == ["history.days", "names.pending_wait", "names.suffix"]
