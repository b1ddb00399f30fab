"""What a guest that migrates does when a link is cut or a host dies: exactly one copy goes on."""

from __future__ import annotations

import contextlib
import subprocess

import pytest

from leasewatch.pyvirt.domains import qmp_session
from tests.system.domains import pyvirt
from tests.system.two_hosts import TwoHosts
from tests.system.world import World

SLOWLY = ("--bandwidth", "1")
POST_COPY = ("--postcopy", *SLOWLY)
WAYS = {"ssh": (), "TCP": ("--address", "10.99.0.2")}
ENCRYPTED_WAYS = {**WAYS, "TLS": (*WAYS["TCP"], "--tls", "--tls-destination", "kvm2")}
NOTICED = 60.0
"""Seconds until a cut link is noticed by all; ssh and TCP take 15."""


class Migration:
    """A command that runs."""

    def __init__(self, world: World, *options: str) -> None:
        self._world = world
        self._errors = world.root / "run/migration.err"
        with self._errors.open("w") as errors:
            argv = ["pyvirt", "domain", "migrate", "web1", "kvm2", *options]
            self.program = world.spawn(argv, stdout=errors, stderr=errors)

    @property
    def said(self) -> str:
        """All that it printed."""
        return self._errors.read_text(errors="replace")

    def ended(self, timeout: float = NOTICED) -> int:
        """Its exit code, once it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.program.wait(timeout)
        raise AssertionError(f"it has not ended within {timeout:g} s: {self.said}")


def one_copy(hosts: TwoHosts, host: str, state: str = "running") -> None:
    """Wait until exactly this copy is left, and see its guest count on."""
    wanted = {host: state}
    hosts.kvm1.wait_for(f"{wanted}", lambda: hosts.copies("web1") == wanted, NOTICED)
    if state == "running":
        hosts.counts_on("web1")


def state(hosts: TwoHosts, host: str) -> str:
    """What the QEMU of a host says of the migration."""
    socket = hosts.worlds[host].root / "run/pyvirt/domains/web1/qmp"
    return str(qmp_session.ask(socket, "query-migrate", timeout=20).get("status"))


def cleaned_up(hosts: TwoHosts) -> None:
    """kvm2 has nothing of web1."""
    world = hosts.kvm2
    left = [
        "run/pyvirt/domains/web1",
        "run/pyvirt/domains/web1.json",
        "etc/pyvirt/domains/web1.toml",
    ]
    files = [world.root / path for path in left]
    world.wait_for("kvm2 to clean up", lambda: not [f for f in files if f.exists()], NOTICED)
    folder = world.root / "run/pyvirt/migrations"
    assert not (list(folder.iterdir()) if folder.exists() else [])


@pytest.fixture
def moving(hosts: TwoHosts) -> TwoHosts:
    """Two hosts, and web1 on the first one, whose memory takes half a minute to send slowly."""
    hosts.boot("web1")
    return hosts


def in_the_middle(hosts: TwoHosts, options: tuple[str, ...], status: str) -> Migration:
    """A migration that has come so far; in post-copy the guest runs on kvm2 already.

    QEMU 7.2 loses a guest whose link is cut just before that, while its devices arrive.
    """
    migration = Migration(hosts.kvm1, *options)

    def is_there() -> bool:
        assert migration.program.poll() is None, migration.said
        arrived = status == "active" or hosts.copies("web1").get("kvm2") == "running"
        return arrived and state(hosts, "kvm1") == status

    hosts.kvm1.wait_for(f"the state {status}", is_there)
    return migration


@pytest.mark.long
def test_a_wrong_certificate_or_a_destination_that_dies_leaves_the_guest_where_it_was(
    moving: TwoHosts,
) -> None:
    moving.make_certificates()
    encrypted = ("--tls", *WAYS["TCP"], "--tls-destination")
    refused = Migration(moving.kvm1, *encrypted, "kvm3")
    assert refused.ended() == 1, refused.said
    assert "the certificate of kvm2 is not for the name kvm3; web1 goes on here" in refused.said
    one_copy(moving, "kvm1")
    cleaned_up(moving)
    migration = in_the_middle(moving, (*encrypted, "kvm2", *SLOWLY), "active")
    moving.kvm2.run(["pkill", "-KILL", "-f", "guest=web1"])
    assert migration.ended() == 1, migration.said
    one_copy(moving, "kvm1")
    cleaned_up(moving)


def cut_and_resume(hosts: TwoHosts, migration: Migration, options: tuple[str, ...]) -> None:
    """Cut the link in the middle of post-copy: both stand still, until `--resume`."""
    hosts.cut()
    assert migration.ended() == 1, migration.said
    assert "--resume" in migration.said
    hosts.kvm1.wait_for("kvm1", lambda: state(hosts, "kvm1") == "postcopy-paused", NOTICED)
    assert hosts.copies("web1")["kvm1"] != "running"
    counted = hosts.counted("web1")
    hosts.mend()
    resumed = Migration(hosts.kvm1, "--resume", *options)
    assert resumed.ended(120) == 0, resumed.said
    one_copy(hosts, "kvm2")
    assert hosts.counted("web1") > counted
    assert pyvirt(hosts.kvm1, "domain", "list", "-o", "json").stdout.strip() == "[]"


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_link_that_is_cut_in_pre_copy_leaves_the_guest_where_it_was(
    moving: TwoHosts, way: tuple[str, ...]
) -> None:
    migration = in_the_middle(moving, (*way, *SLOWLY), "active")
    moving.cut()
    assert migration.ended() == 1, migration.said
    one_copy(moving, "kvm1")
    moving.mend()
    cleaned_up(moving)


@pytest.mark.long
@pytest.mark.parametrize("way", ENCRYPTED_WAYS.values(), ids=ENCRYPTED_WAYS)
def test_a_link_that_is_cut_in_post_copy_is_resumed(moving: TwoHosts, way: tuple[str, ...]) -> None:
    moving.make_certificates()
    migration = in_the_middle(moving, (*way, *POST_COPY), "postcopy-active")
    cut_and_resume(moving, migration, way)
