"""A disk like a distribution's cloud image: from `pyvirt launch web1` to `ssh web1`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.system.domains import pyvirt, read
from tests.system.world import World

HOME = Path("/run/alice")
SUDO = {"SUDO_USER": "alice"}
SETUP = f"""
echo 'alice:x:4000:4000::{HOME}:/bin/sh' >>/etc/passwd
echo 'alice:x:4000:' >>/etc/group
mkdir -p {HOME}/.ssh
ssh-keygen -q -t ed25519 -N '' -f {HOME}/.ssh/id_ed25519
chown -R 4000:4000 {HOME}
"""
SCRIPT = "#!/bin/sh\necho the owner was here >/etc/motd\n"


@pytest.fixture
def host(world: World, cloud_image: Path) -> World:
    """A host with the service and that image, whose user alice has a key and sudo."""
    world.serve()
    world.run(["sh", "-ec", SETUP])
    pyvirt(world, "image", "add", "debian-12", cloud_image)
    return world


def _ssh(world: World, command: str) -> str:
    """What it prints in the guest, for alice, who is asked nothing."""
    argv = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "web1", command]
    return world.run(argv, user="alice", env={"HOME": str(HOME)}).stdout


@pytest.mark.long
def test_each_of_several_cards_of_a_cloud_image_gets_an_address(host: World) -> None:
    for name in ("lab", "dmz"):
        pyvirt(host, "network", "create", name)
        pyvirt(host, "network", "start", name)
    cards = ["--network", "lab", "--network", "dmz", "--image", "debian-12", "--memory", "1G"]
    host.run(["pyvirt", "domain", "create", "web1", *cards], env=SUDO)
    host.run(["pyvirt", "domain", "start", "--wait", "--timeout", "10m", "web1"], timeout=700)

    def networks() -> set[str]:
        rows = json.loads(host.run(["leasewatch", "list", "web1", "-o", "json"]).stdout)
        return {one["network"] for one in rows if "." in one["address"]}

    host.wait_for("both addresses", lambda: networks() == {"lab", "dmz"}, 120)


@pytest.mark.long
def test_a_cloud_image_is_launched_and_logged_in_to_without_an_option_or_a_question(
    host: World,
) -> None:
    (host.root / "run/script").write_text(SCRIPT)
    done = host.run(["pyvirt", "launch", "web1"], env=SUDO, timeout=400)
    assert done.stdout.endswith(" s: ssh web1\n")
    assert _ssh(host, "id -un; hostname; sudo id -un").split() == ["alice", "web1", "root"]
    keys = _ssh(host, "sudo sh -c 'cat /etc/ssh/ssh_host_*_key.pub'").splitlines()
    published = read(host, "/run/pyvirt/ssh_known_hosts").splitlines()[1]
    assert [key.split()[:2] for key in keys] == [published.split()[1:3]]
    assert int(_ssh(host, "df --output=size -B 1M / | tail -1")) > 9000

    pyvirt(host, "domain", "stop", "web1")
    pyvirt(host, "domain", "delete", "web1")
    again = ["pyvirt", "launch", "web1", "--user-data", "/run/script", "--timeout", "10m"]
    host.run(again, env=SUDO, timeout=700)
    assert "Valid" in _ssh(host, "sudo cloud-init schema --system 2>&1")
    # Not `cloud-init status --wait`: it ends at the first module that fails, and locale does here.
    host.wait_for("the script", lambda: _ssh(host, "cat /etc/motd") == "the owner was here\n", 180)
    assert _ssh(host, "sudo id -un") == "root\n"
