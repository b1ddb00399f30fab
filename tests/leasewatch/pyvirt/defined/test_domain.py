"""Definitions of domains: what is taken, what is refused, and with which words."""

from __future__ import annotations

import msgspec
import pytest

from leasewatch.pyvirt.defined.domain import (
    DiskDefinition,
    DomainDefinition,
    NicDefinition,
    make_mac,
    parse_mac,
    tap_mac,
)
from nss_pyvirt.errors import UserError

MAC = "52:54:00:12:34:56"
DISK = DiskDefinition(file="disk.qcow2", sha256="0" * 64, source="debian-12", size=1 << 30)


def _domain(**changes: object) -> DomainDefinition:
    good = DomainDefinition(
        name="web1",
        nics=(NicDefinition(network="lab", mac=MAC),),
        memory=512,
        cpus=1,
        disks=(DISK,),
    )
    return msgspec.structs.replace(good, **changes)


@pytest.mark.parametrize(
    ("given", "mac"),
    [
        (MAC, MAC),
        ("52-54-00-AB-CD-EF", "52:54:00:ab:cd:ef"),
        ("02:00:00:00:00:01", "02:00:00:00:00:01"),
    ],
)
def test_a_mac_is_taken_in_the_usual_spellings(given: str, mac: str) -> None:
    assert parse_mac(given) == mac


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "is not a MAC"),
        ("52:54:00:12:34", "is not a MAC"),
        ("52:54:00:12:34:5g", "is not a MAC"),
        (f"{MAC},netdev=x", "is not a MAC"),
        (f"{MAC}\n", "is not a MAC"),
        ("01:00:5e:00:00:01", "multicast"),
        ("ff:ff:ff:ff:ff:ff", "multicast"),
        ("00:00:00:00:00:00", "is not valid"),
    ],
)
def test_what_can_be_no_machines_mac_is_refused(given: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        parse_mac(given)


def test_a_made_mac_is_one_that_is_taken() -> None:
    assert parse_mac(make_mac(b"\x00\xab\xff")) == "52:54:00:00:ab:ff"


def test_the_hosts_end_of_an_interface_never_has_a_bridges_lowest_mac() -> None:
    assert tap_mac(MAC) == "fe:54:00:12:34:56"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"disks": (), "kernel": "/boot/vmlinuz"},
        {"disks": (), "disk": "/images/of/an/earlier/version.qcow2"},
        {"disks": (DISK, msgspec.structs.replace(DISK, file="disk1.qcow2"))},
        {"kernel": "/boot/vmlinuz", "initrd": "/boot/initrd", "append": "quiet"},
    ],
)
def test_parts_that_fit_are_taken_and_survive_their_file(changes: dict[str, object]) -> None:
    domain = _domain(**changes)
    assert domain.checked() == domain
    assert msgspec.toml.decode(msgspec.toml.encode(domain), type=DomainDefinition) == domain


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"disks": ()}, "nothing to start from"),
        ({"initrd": "/boot/initrd"}, "need a kernel"),
        ({"append": "quiet"}, "need a kernel"),
        ({"disks": (DISK, DISK)}, "two disks have the same file"),
        ({"nics": ()}, "on no network"),
        ({"nics": (NicDefinition(network="lab", mac="x"),)}, "is not a MAC"),
        ({"nics": (NicDefinition(network="lab", mac=MAC),) * 2}, "given twice"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, object], why: str) -> None:
    with pytest.raises(UserError, match=why):
        _domain(**changes).checked()


@pytest.mark.parametrize(
    "line", ["memory = 8", 'memory = "512"', "cpus = 0", 'accel = "xen"', "colour = 1"]
)
def test_a_definition_is_read_strictly(line: str) -> None:
    key = line.split(maxsplit=1)[0]
    text = msgspec.toml.encode(_domain(accel="tcg")).decode()
    others = [one for one in text.splitlines() if one.split()[:1] != [key]]
    with pytest.raises(msgspec.ValidationError, match=key):
        msgspec.toml.decode("\n".join([line, *others]), type=DomainDefinition)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("file", "../disk.qcow2"),
        ("file", "disk.qcow2\n"),
        ("file", "/disk.qcow2"),
        ("sha256", "0" * 63),
        ("sha256", "../" + "0" * 61),
        ("sha256", "A" * 64),
        ("size", 0),
    ],
)
def test_a_disk_is_read_strictly(key: str, value: object) -> None:
    bad = _domain(disks=(msgspec.structs.replace(DISK, **{key: value}),))
    with pytest.raises(msgspec.ValidationError, match=rf"disks\[0\]\.{key}|{key}"):
        msgspec.toml.decode(msgspec.toml.encode(bad), type=DomainDefinition)
