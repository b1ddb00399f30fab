"""Each mode of a migration moves a guest with an open ssh session, on three QEMUs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shipped import run
from tests.system.domains import pyvirt
from tests.system.guest import GuestFiles
from tests.system.two_hosts import Session, TwoHosts, two_hosts

QEMU_ROOT = Path(__file__).with_name("qemu_root.sh")
RUNS = int(os.environ.get("PYVIRT_RUNS", "20"))
SLOW = ("--bandwidth", "16")
"""So that a guest that writes is not there before post-copy begins."""
MODES: dict[str, tuple[str, ...]] = {
    "pre-copy": (),
    "post-copy": ("--postcopy", *SLOW),
    "post-copy after pre-copy": ("--postcopy-after-precopy", *SLOW),
    "xbzrle": ("--compressed",),
    "xbzrle, then post-copy": ("--compressed", "--postcopy-after-precopy", *SLOW),
    "parallel": ("--parallel",),
    "parallel zlib": ("--parallel", "--comp-methods", "zlib"),
    "parallel zstd": ("--parallel", "--comp-methods", "zstd"),
    "auto-converge": ("--auto-converge",),
    "post-copy and parallel": ("--postcopy", "--parallel", *SLOW),
    "zlib alone": ("--comp-methods", "zlib"),
    "xbzrle and parallel": ("--comp-methods", "xbzrle", "--parallel"),
}
REFUSED = {
    "post-copy and parallel": "cannot do post-copy with --parallel: that needs 10.1 or newer",
    "zlib alone": "--comp-methods zlib needs --parallel",
    "xbzrle and parallel": "--comp-methods xbzrle does not work with --parallel",
}


class Moving:
    """A guest that goes to and fro."""

    def __init__(self, hosts: TwoHosts) -> None:
        self.hosts = hosts
        self.here, self.there = "kvm1", "kvm2"
        self.address = hosts.boot("web1")
        self.session: Session = hosts.session(self.address)

    def move(self, *options: str) -> dict[str, object]:
        """Migrate it; afterwards it runs once, and both counters go on."""
        world = self.hosts.worlds[self.here]
        words = ("domain", "migrate", "web1", self.there, *options, "-o", "json")
        done = json.loads(pyvirt(world, *words).stdout)
        self.here, self.there = self.there, self.here
        assert self.hosts.copies("web1") == {self.here: "running"}
        self.session.goes_on()
        self.hosts.counts_on("web1")
        return dict(done)

    def refused(self, *options: str) -> str:
        """What is said instead; it goes on where it is."""
        world = self.hosts.worlds[self.here]
        words = ("domain", "migrate", "web1", self.there, *options)
        done = pyvirt(world, *words, check=False)
        assert done.returncode in {1, 2}, done.stderr
        assert self.hosts.copies("web1") == {self.here: "running"}
        self.session.goes_on()
        return done.stderr


def test_a_guest_moves_to_and_fro_and_its_session_goes_on(hosts: TwoHosts) -> None:
    guest = Moving(hosts)
    assert guest.move("--postcopy", *SLOW)["postcopy"] is True
    assert guest.move()["postcopy"] is False


@pytest.fixture(scope="module", params=["", "trixie", "sid"])
def moving(guest_files: GuestFiles, request: pytest.FixtureRequest) -> Iterator[Moving]:
    """A guest of QEMU of a suite; empty: of the host."""
    with two_hosts(guest_files) as hosts:
        if request.param:
            folder = run(QEMU_ROOT, request.param, timeout=2000).strip()
            for world in hosts.worlds.values():
                world.run(["mount", "--bind", folder, "/usr/local"])
        guest = Moving(hosts)
        hosts.dirty(guest.address, 8)  # more than QEMU sends while the guest may stand still
        yield guest


def version(moving: Moving) -> str:
    """E.g. 7.2."""
    said = json.loads((moving.hosts.kvm1.root / "run/pyvirt/qemu.json").read_text())["version"]
    return f"{said[0]}.{said[1]}"


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES)
def test_a_mode_moves_the_guest_or_is_refused(
    moving: Moving, mode: str, record_property: object
) -> None:
    if mode in REFUSED and not (mode == "post-copy and parallel" and version(moving) > "10.1"):
        assert REFUSED[mode] in moving.refused(*MODES[mode])
        return
    for _ in range(RUNS):
        done = moving.move(*MODES[mode])
        assert done["postcopy"] is ("post-copy" in mode)
