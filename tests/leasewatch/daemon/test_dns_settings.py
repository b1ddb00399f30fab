"""The table [dns] of the settings: what it means, and that each fault names its key."""

from __future__ import annotations

import re

import pytest

from leasewatch import config
from leasewatch.daemon.dns_settings import DnsSettings, Peer, Place, Update

PATH = "/etc/pyvirt/leasewatch.toml"
SITE = 'site = "example.org"\nkey = "site"\n'
WHOLE = """
[dns]
listen = ["127.0.0.1:5300", "10.99.0.2", "[fd00::1]:5353", "fd00:0::2"]
host = "hosta"
site = "example.org"
nameservers = ["ns1.example.org"]
reverse = ["10.77.0.0/24", "fd00:1::/64"]
notify = ["10.99.0.3", "10.99.0.4:5353"]
key = "site"
pull = ["hostb 10.99.0.5", "hostc 10.99.0.6:5300", "hostd"]
catalog = "hub"
[dns.guests]
lab = ["dmz"]
dmz = ["*"]
[dns.update]
server = "10.99.0.3"
zone = "vms.example.org"
key = "update"
"""


def read(text: str) -> DnsSettings:
    settings, faults = config.read(text.encode(), PATH)
    assert not faults
    return settings.dns


def test_nothing_is_on_without_settings() -> None:
    assert read("") == read("[dns]") == DnsSettings()
    assert not DnsSettings().is_on()
    assert not DnsSettings().zone("hosta")


def test_every_key_means_what_it_says() -> None:
    dns = read(WHOLE)
    at = [("127.0.0.1", 5300), ("10.99.0.2", 53), ("fd00::1", 5353), ("fd00::2", 53)]
    assert dns.listens() == at
    assert dns.notified() == [Place("10.99.0.3", 53), Place("10.99.0.4", 5353)]
    assert dns.peers() == [
        Peer("hostb", Place("10.99.0.5", 53)),
        Peer("hostc", Place("10.99.0.6", 5300)),
        Peer("hostd", None),
    ]
    assert dns.guests == {"lab": ["dmz"], "dmz": ["*"]}
    assert dns.update == Update(server="10.99.0.3", zone="vms.example.org", key="update")
    assert dns.is_on()


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ('host = "blue"', "blue.vm.example.org"),
        ("", "hosta.vm.example.org"),
    ],
)
def test_the_hosts_zone_has_its_label_or_that_of_its_host_name(text: str, zone: str) -> None:
    assert read(f"[dns]\n{SITE}{text}").zone("HostA.example.net") == zone


@pytest.mark.parametrize(
    "text",
    [
        'listen = ["127.0.0.1"]',
        SITE,
        SITE + 'pull = ["hostb"]',
        'update = {server = "::1", zone = "a", key = "k"}',
    ],
)
def test_any_door_switches_it_on(text: str) -> None:
    assert read(f"[dns]\n{text}").is_on()


FAULTS = {
    "listen = '127.0.0.1'": "listen: expected",
    "listen = ['localhost']": 'listen[0]: "localhost" is neither ADDRESS nor ADDRESS:PORT',
    "listen = ['127.0.0.1:0']": "listen[0]: ",
    "listen = ['127.0.0.1', '[::1]53']": 'listen[1]: "[::1]53" is not [ADDRESS]:PORT',
    "listen = ['[::1]:65536']": 'listen[0]: "[::1]:65536" has no port from 1 to 65535',
    "listen = ['fe80::1%br0']": "listen[0]: ",
    "host = 'a.b'": 'host: "a.b" is not one lower-case label',
    "host = 'Blue'": "host: ",
    "site = 'Example.org'\nkey = 'k'": 'site: "Example.org" is no DNS name',
    "site = 'example.org.'\nkey = 'k'": "site: ",
    "site = 'example.org'": "site: needs key",
    "nameservers = ['ns1', 'ns 2']": "nameservers[1]: ",
    "reverse = ['10.77.0.0']": "reverse[0]: ",
    "reverse = ['10.77.0.1/24']": 'reverse[0]: "10.77.0.1/24" is no subnet like',
    "reverse = ['10.77.0.0/25']": 'reverse[0]: "10.77.0.0/25" has no reverse zone',
    "notify = ['ns1.example.org']": "notify[0]: ",
    "key = '../shadow'": 'key: "../shadow" is no name of a key',
    "pull = ['hostb 10.0.0.5']": "pull: needs site",
    SITE + "pull = ['hostb:53']": 'pull[0]: "hostb:53" is not HOST or "HOST ADDRESS"',
    SITE + "pull = ['hostb ten']": 'pull[0]: "hostb ten" has an address that is neither',
    SITE + "pull = ['hostb', 'hostb ::1']": 'pull[1]: "hostb" is listed twice',
    SITE + "host = 'hosta'\npull = ['hosta']": 'pull[0]: "hosta" is this host',
    "catalog = 'direct'": "catalog: needs site",
    SITE + "catalog = 'all'": "catalog: ",
    SITE + "catalog = 'direct'\npull = ['hostb']": 'catalog: "direct" needs the address',
    "guests = {lab = 'dmz'}": "guests",
    "guests = {lab = ['d m']}": 'guests.lab: "d m" is no name of a network',
    "guests = {'*' = ['lab']}": "guests.*: ",
    "update = {zone = 'a'}": "update.server: is missing",
    "update = {server = 'x', zone = 'a', key = 'k'}": 'update.server: "x" is neither',
    "update = {server = '::1', key = 'k'}": "update.zone: ",
    "update = {server = '::1', zone = 'a', key = '/k'}": 'update.key: "/k" is no name of a key',
    "lisen = []": ": ",
}


@pytest.mark.parametrize(("text", "key"), FAULTS.items(), ids=map(ascii, FAULTS))
def test_each_fault_names_its_key_and_leaves_it_out(text: str, key: str) -> None:
    settings, faults = config.read(f"[dns]\n{text}".encode(), PATH)
    first = faults[0].what
    assert first.startswith(f"{PATH}: dns.{key}".replace("dns.: ", "dns: ")), first
    assert faults[0].hint
    left_out = re.split(r"[][:.]", key)[0] or "host"
    assert getattr(settings.dns, left_out) == getattr(DnsSettings(), left_out)


def test_a_fault_costs_its_key_alone() -> None:
    text = WHOLE.replace('"10.99.0.4:5353"', '"10.99.0.4:x"')
    settings, faults = config.read(text.encode(), PATH)
    assert len(faults) == 1
    assert settings.dns.notify == []
    assert settings.dns.pull
