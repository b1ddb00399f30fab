"""The texts of a seed, read back as cloud-init and systemd read them."""

from __future__ import annotations

import email
from base64 import b64decode

import msgspec
import pytest

from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.defined.login import Login
from leasewatch.pyvirt.login import user_data
from nss_pyvirt.errors import UserError

PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n-----END OPENSSH PRIVATE KEY-----\n"
PUBLIC = "ssh-ed25519 AAAA web1"
UUID = "0b1c2d3e-0000-4000-8000-000000000001"


def _domain(user: str = "alice", *keys: str) -> DomainDefinition:
    nics = (NicDefinition(network="lab", mac="52:54:00:00:00:01"),)
    login = Login(user=user, keys=keys)
    return DomainDefinition(name="web1", nics=nics, memory=128, cpus=1, uuid=UUID, login=login)


def test_a_guest_is_told_its_name_and_which_machine_it_is() -> None:
    assert user_data.meta_data(_domain()) == f'instance-id: "{UUID}"\nlocal-hostname: "web1"\n'


def test_each_of_several_cards_asks_for_an_address_and_the_boot_waits_for_the_first() -> None:
    cards = (NicDefinition(network=n, mac=f"52:54:00:00:00:0{n}") for n in "12")
    domain = msgspec.structs.replace(_domain(), nics=tuple(cards))
    assert user_data.network_config(domain) == (
        "version: 2\n"
        "ethernets:\n"
        "  card0:\n"
        '    match: {macaddress: "52:54:00:00:00:01"}\n'
        "    dhcp4: true\n"
        "  card1:\n"
        '    match: {macaddress: "52:54:00:00:00:02"}\n'
        "    dhcp4: true\n"
        "    optional: true\n"
    )


def test_the_default_user_is_the_owners_and_the_host_key_the_hosts() -> None:
    text = user_data.user_data(_domain("alice", "ssh-rsa A", 'ssh-rsa "B'), PRIVATE, PUBLIC)
    assert text == (
        "#cloud-config\n"
        "manage_etc_hosts: true\n"
        "disable_root: true\n"
        "user:\n"
        '  name: "alice"\n'
        "  sudo: ALL=(ALL) NOPASSWD:ALL\n"
        "  ssh_authorized_keys:\n"
        '    - "ssh-rsa A"\n'
        '    - "ssh-rsa \\"B"\n'
        "ssh_deletekeys: true\n"
        "ssh_keys:\n"
        '  ed25519_public: "ssh-ed25519 AAAA web1"\n'
        "  ed25519_private: |\n"
        "    -----BEGIN OPENSSH PRIVATE KEY-----\n"
        "    b3Blbn\n"
        "    -----END OPENSSH PRIVATE KEY-----\n"
    )


def test_root_may_log_in_only_where_the_owner_is_root() -> None:
    assert "disable_root: false\n" in user_data.user_data(_domain("root"), PRIVATE, PUBLIC)


@pytest.mark.parametrize("owners", ["#cloud-config\npackages: [vim]\n", "#!/bin/sh\necho hello\n"])
def test_the_owners_user_data_comes_second_and_unchanged(owners: str) -> None:
    ours = user_data.user_data(_domain(), PRIVATE, PUBLIC)
    both = email.message_from_string(user_data.user_data(_domain(), PRIVATE, PUBLIC, owners))
    parts = [(part.get_content_type(), part.get_payload()) for part in both.walk()][1:]
    assert parts == [("text/cloud-config", ours), ("text/plain", owners)]


def test_user_data_of_several_parts_stays_one_of_several_parts() -> None:
    owners = 'Content-Type: multipart/mixed; boundary="x"\n\n--x\n\n#!/bin/sh\n--x--\n'
    both = email.message_from_string(user_data.user_data(_domain(), PRIVATE, PUBLIC, owners))
    kinds = [part.get_content_type() for part in both.walk()]
    assert kinds == ["multipart/mixed", "text/cloud-config", "multipart/mixed", "text/plain"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "f is no user-data for cloud-init"),
        (b"packages: [vim]\n", "f is no user-data for cloud-init"),
        (b"\x1f\x8b\x08", "f is not text in UTF-8"),
        (b"#!/bin/sh\n\0", "f is no user-data"),
        (b"#" * ((1 << 20) + 1), "f has more than 1 MiB"),
    ],
)
def test_what_cloud_init_would_ignore_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(UserError, match=why) as error:
        user_data.check(data, "f")
    assert "#cloud-config" in error.value.hint


def test_credentials_name_the_guest_and_bring_its_host_key() -> None:
    found = user_data.credentials(_domain("alice", "ssh-rsa A"), PRIVATE)
    assert found["system.hostname"] == "web1"
    line = found["tmpfiles.extra"].split()
    assert line[:-1] == ["f~", "/etc/ssh/ssh_host_ed25519_key", "0600", "root", "root", "-"]
    assert b64decode(line[-1]).decode() == PRIVATE
    assert "ssh.authorized_keys.root" not in found


def test_only_a_guest_whose_user_is_root_gets_keys_for_root() -> None:
    found = user_data.credentials(_domain("root", "ssh-rsa A", "ssh-rsa B"), PRIVATE)
    assert found["ssh.authorized_keys.root"] == "ssh-rsa A\nssh-rsa B\n"


def test_a_credential_may_hold_what_smbios_cannot() -> None:
    name, value = user_data.smbios_value("a", "one\ntwo").split("=", 1)
    assert (name, b64decode(value)) == ("io.systemd.credential.binary:a", b"one\ntwo")
