"""The first login to a guest whose seed pyvirt has made: verified, and without a question."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.domains import define, lease, pyvirt, read
from tests.system.guest import GuestFiles
from tests.system.world import World

KEY = Path("/root/.ssh/id_ed25519")
DATA = Path("/var/lib/pyvirt/domains/web1")


@pytest.fixture
def keyed_lab(served_lab: World) -> World:
    """The host's root has a key."""
    served_lab.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", KEY])
    return served_lab


def test_a_seed_brings_user_key_host_key_and_name(
    keyed_lab: World, guest_files: GuestFiles
) -> None:
    define(keyed_lab, guest_files, "web1", "--user", "alice")
    pyvirt(keyed_lab, "domain", "start", "web1")
    address = lease(keyed_lab, "web1")
    public = read(keyed_lab, DATA / "ssh_host_ed25519_key.pub")
    keyed_lab.run(["sh", "-c", f"echo '{address} {public}' >/root/.ssh/known_hosts"])
    options = ("-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes")
    said = keyed_lab.run(["ssh", *options, f"alice@{address}", "id -un; hostname"])
    assert said.stdout.split() == ["alice", "web1"]
