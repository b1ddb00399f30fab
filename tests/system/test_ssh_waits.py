"""The real ssh waits for a guest that boots: its lease, and then its port."""

from __future__ import annotations

from subprocess import PIPE

import pytest

from tests.system.domains import define, define_idle, pyvirt, read
from tests.system.guest import GuestFiles
from tests.system.world import World

INSTALL = """
from contextlib import ExitStack
from pathlib import Path
from nss_pyvirt.installer import pieces, ssh_config
list(ssh_config.install(pieces.System(root=Path("/"), program="-"), ExitStack(), wait=True))
"""
"""`nss-pyvirt install --ssh` without its other parts, which a world has."""
OPTIONS = ("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "HostKeyAlias=web1")
CONNECT = (
    *("-F", "none", "-o", "GlobalKnownHostsFile=/run/pyvirt/ssh_known_hosts"),
    *("-o", "ProxyCommand=leasewatch connect %h %p", "-o", "ProxyUseFdpass=yes"),
)


@pytest.fixture
def host(served_lab: World, guest_files: GuestFiles) -> World:
    """A host whose ssh waits, with a domain that is not started."""
    served_lab.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/.ssh/id_ed25519"])
    served_lab.run(["python", "-c", INSTALL])
    define(served_lab, guest_files, "web1", "--user", "root", "--alias", "www")
    return served_lab


def test_ssh_waits_for_the_lease_and_for_the_port(host: World) -> None:
    early = host.run(["ssh", *OPTIONS, "web1", "hostname"], check=False)
    assert "Could not resolve hostname web1" in early.stderr
    pyvirt(host, "domain", "start", "web1")
    assert "web1,www,web1.lab.internal exec" in read(host, "/run/pyvirt/ssh_config")
    second, third = (
        host.spawn(["ssh", *how, *OPTIONS, "-p", "2222", "web1", "hostname"], stdout=PIPE)
        for how in ((), CONNECT)
    )
    assert host.run(["ssh", *OPTIONS, "www", "hostname"], timeout=180).stdout == "web1\n"
    assert (second.poll(), third.poll()) == (None, None)  # nothing listens on port 2222 yet
    serve = "dropbear -s -r /etc/dropbear_host_key -p 2222"
    host.run(["ssh", *OPTIONS, "web1", serve])
    for waiting in (second, third):
        assert waiting.communicate(timeout=120)[0] == "web1\n"
    behind = ("-J", "web1", "-p", "2222", "127.0.0.1")
    assert host.run(["ssh", *OPTIONS, *behind, "hostname"]).stdout == "web1\n"


def test_wait_ends_with_the_lease_of_a_real_client(served_lab: World) -> None:
    machine = served_lab.client("client1", "pv-lab")
    waiting = served_lab.spawn(["leasewatch", "wait", "client1", "--timeout", "5m"], stdout=PIPE)
    address = machine.dhcp("client1")
    assert waiting.communicate(timeout=60)[0] == f"client1 has {address}\n"
    late = served_lab.run(
        ["leasewatch", "wait", "client1", "--for=tcp:22", "--timeout=0"], check=False
    )
    assert late.returncode == 4
    assert (
        late.stderr
        == f"leasewatch: timed out waiting for client1: address {address}, port 22 refused\n"
    )
    gone = served_lab.spawn(["leasewatch", "wait", "client1", "--for=gone", "--timeout", "5m"])
    machine.release()
    assert gone.wait(60) == 0


def test_a_plain_user_is_told_what_a_guest_without_an_address_does(served_lab: World) -> None:
    define_idle(served_lab, "web1")
    words = ["leasewatch", "wait", "web1", "--timeout=0"]
    stopped = served_lab.run(words, check=False, user="nobody").stderr.splitlines()
    assert stopped == [
        "leasewatch: timed out waiting for web1: the domain is not running",
        "  hint: sudo pyvirt domain start web1",
    ]
    pyvirt(served_lab, "domain", "start", "web1")
    started = served_lab.run([*words, "--after=start"], check=False, user="nobody")
    assert started.returncode == 4
    assert started.stderr == (
        "leasewatch: timed out waiting for web1: no traffic since the start\n"
    )
