"""The first login to a guest whose seed pyvirt has made: verified, and without a question."""

from __future__ import annotations

import json
import tomllib
from base64 import b64decode
from pathlib import Path

import pytest

from tests.system.domains import define, lease, pyvirt, read, row
from tests.system.guest import GuestFiles
from tests.system.world import World

KEY = Path("/root/.ssh/id_ed25519")
DATA = Path("/var/lib/pyvirt/domains/web1")
KNOWN_HOSTS = Path("/run/pyvirt/ssh_known_hosts")


@pytest.fixture
def keyed_lab(served_lab: World) -> World:
    """The host's root has a key."""
    served_lab.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", KEY])
    return served_lab


def _ssh(world: World, host: str, command: str) -> str:
    """What a command prints in a guest; ssh asks nothing and must know the host key."""
    options = ("-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20")
    return world.run(["ssh", *options, host, command]).stdout


def test_the_first_login_is_verified_and_asks_nothing_also_after_the_domain_is_made_again(
    keyed_lab: World, guest_files: GuestFiles
) -> None:
    keys = []
    for _ in range(2):
        define(keyed_lab, guest_files, "web1", "--user", "root", "--alias", "www")
        pyvirt(keyed_lab, "domain", "start", "web1")
        address = lease(keyed_lab, "web1")
        for host in ("web1", "www", "web1.lab.internal", address):
            assert _ssh(keyed_lab, host, "hostname").strip() == "web1"
        keys.append(read(keyed_lab, KNOWN_HOSTS))
        pyvirt(keyed_lab, "domain", "stop", "web1")
        pyvirt(keyed_lab, "domain", "delete", "web1")
        assert "web1" not in read(keyed_lab, KNOWN_HOSTS)
    assert len(set(keys)) == 2
    assert keyed_lab.run(["ls", "/root/.ssh"]).stdout.split() == ["id_ed25519", "id_ed25519.pub"]


def test_a_seed_makes_the_user_that_was_asked_for(
    keyed_lab: World, guest_files: GuestFiles
) -> None:
    define(keyed_lab, guest_files, "web1", "--user", "alice")
    pyvirt(keyed_lab, "domain", "start", "web1")
    lease(keyed_lab, "web1")
    assert _ssh(keyed_lab, "alice@web1", "id -un; hostname").split() == ["alice", "web1"]
    assert row(keyed_lab, "web1")["user"] == "alice"
    another = keyed_lab.run(["ssh", "-o", "BatchMode=yes", "web1", "true"], check=False)
    assert "Permission denied" in another.stderr
    _check_what_doctor_follows(keyed_lab)


def _check_what_doctor_follows(world: World) -> None:
    """The whole way of the name of a domain; then ssh knows the key of an earlier one."""

    def rows() -> list[dict[str, str]]:
        asked = ["leasewatch", "doctor", "web1", "-o", "json"]
        found: list[dict[str, str]] = json.loads(world.run(asked, check=False).stdout)
        return found

    way = ["definition", "running", "lease", "verdict", "table", "module", "nsswitch"]
    way += ["getaddrinfo", "ssh", "outside NSS"]
    assert [row["subject"] for row in rows()] == way
    assert {row["state"] for row in rows()[:-1]} == {"ok"}
    world.run(["sh", "-c", 'echo "web1 $(cut -d" " -f1,2 "$0.pub")" >/root/.ssh/known_hosts', KEY])
    last = rows()[-1]
    assert (last["state"], last["subject"]) == ("bad", "ssh")
    assert last["detail"].endswith("has the key of an earlier web1: ssh refuses to connect")
    world.run(last["fix"].split())
    assert [row["subject"] for row in rows()] == way


def test_a_guest_without_cloud_init_finds_its_name_and_host_key_in_smbios(
    keyed_lab: World, guest_files: GuestFiles
) -> None:
    define(keyed_lab, guest_files, "web1", "--user", "root")
    pyvirt(keyed_lab, "domain", "start", "web1")
    lease(keyed_lab, "web1")
    asked = "tr '\\0' '\\n' </sys/firmware/dmi/tables/DMI | grep io.systemd.credential.binary:"
    found = _ssh(keyed_lab, "web1", asked).splitlines()
    values = dict(line.partition(":")[2].split("=", 1) for line in found)
    assert b64decode(values["system.hostname"]) == b"web1"
    keys = read(keyed_lab, "/root/.ssh/id_ed25519.pub")
    assert b64decode(values["ssh.authorized_keys.root"]).decode() == keys
    *rule, key = b64decode(values["tmpfiles.extra"]).decode().split()
    assert rule == ["f~", "/etc/ssh/ssh_host_ed25519_key", "0600", "root", "root", "-"]
    assert b64decode(key).decode() == read(keyed_lab, DATA / "ssh_host_ed25519_key")
    programs = keyed_lab.run(["ps", "axww", "-o", "args="]).stdout
    assert "credential0" in programs
    assert values["tmpfiles.extra"] not in programs


def test_a_user_without_a_key_gets_one_of_their_own(served_lab: World) -> None:
    home = Path("/run/alice")
    served_lab.run(["useradd", "--create-home", "--home-dir", home, "alice"])
    key = home / ".ssh/id_ed25519"

    def said(name: str, *options: str | Path) -> str:
        create = ("domain", "create", name, "--network", "lab", "--kernel", "/bin/sh", *options)
        return pyvirt(served_lab, *create, sudo_user="alice").stderr

    assert said("web1", "--user", "root") == f"pyvirt: user alice had no key for ssh: made {key}\n"
    paths = (key.parent, key, f"{key}.pub")
    kept = served_lab.run(["stat", "-c", "%U:%G %a", *paths]).stdout.split("\n")
    assert kept[:3] == ["alice:alice 700", "alice:alice 600", "alice:alice 644"]
    login = tomllib.loads(read(served_lab, "/etc/pyvirt/domains/web1.toml"))["login"]
    assert login["keys"] == [read(served_lab, f"{key}.pub").strip()]
    assert said("web2", "--user", "root") == ""
    served_lab.run(["rm", f"{key}.pub"])
    assert said("web3") == ""  # a kernel alone has no seed
    assert said("web4", "--user", "root").splitlines() == [
        f"pyvirt: user root gets no key: {key} has no public half",
        f"  hint: ssh-keygen -y -f {key} >{key}.pub",
    ]
