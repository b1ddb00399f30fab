"""A guest moves to another host with its disks, while it writes to them."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leasewatch.pyvirt.domains import qmp_session
from tests.system.domains import pyvirt
from tests.system.two_hosts import TwoHosts
from tests.system.world import World

TCP = ("--address", "10.99.0.2")
BASE, EMPTY = "/run/base.img", "/run/empty.qcow2"
_DATA = Path("/var/lib/pyvirt/domains")
_WRITES = """
dd if=/dev/urandom of=/dev/vda bs=1M count=4 2>/dev/null
dd if=/dev/vda bs=1M count=4 2>/dev/null | md5sum >/tmp/before
(while [ ! -e /tmp/stop ]; do
    i=$((i + 1))
    dd if=/dev/urandom of=/dev/vda bs=64k count=16 seek=$((64 + i % 8 * 16)) conv=notrunc,fsync
    echo $i >/tmp/written
    sleep 0.1
done; touch /tmp/stopped) >/dev/null 2>&1 </dev/null &
"""
"""4 MiB that stay, and 8 MiB behind them that change all the time."""
_GOES_ON = """
before=$(cat /tmp/written)
while [ "$(cat /tmp/written)" = "$before" ]; do sleep 0.1; done
"""
_ENDS = """
touch /tmp/stop
while [ ! -e /tmp/stopped ]; do sleep 0.1; done
sync
echo 3 >/proc/sys/vm/drop_caches
dd if=/dev/vda bs=1M count=4 2>/dev/null | md5sum | cmp - /tmp/before && md5sum </dev/vda
"""


class Writer:
    """The domain web1 on kvm1, whose guest writes to its disk."""

    def __init__(self, hosts: TwoHosts, *options: str) -> None:
        self.hosts = hosts
        (hosts.kvm1.root / BASE[1:]).write_bytes(b"\0abc" * (1 << 20))
        pyvirt(hosts.kvm1, "image", "add", "base", BASE)
        self.address = hosts.boot("web1", "--image", "base", "--size", "16M", *options)
        hosts.log_in(self.address, _WRITES)

    def goes_on(self, host: str) -> None:
        """Wait until it has written more."""
        self.hosts.log_in(self.address, _GOES_ON, host)

    def migrate(self, *options: str, check: bool = True) -> str:
        """What `pyvirt domain migrate` says on stderr."""
        words = ("domain", "migrate", "web1", "kvm2", *options)
        return pyvirt(self.hosts.kvm1, *words, check=check).stderr

    def check_disk(self, host: str) -> None:
        """Stop it. What it read last is what its disk holds, and the disk has no fault."""
        whole = self.hosts.log_in(self.address, _GOES_ON + _ENDS, host)
        world = self.hosts.worlds[host]
        pyvirt(world, "domain", "stop", "--force", "web1")
        overlay = _DATA / "web1/disk.qcow2"
        assert "No errors" in world.run(["qemu-img", "check", overlay]).stdout
        world.run(["qemu-img", "convert", "-O", "raw", overlay, "/run/whole.img"])
        assert world.run(["sh", "-c", "md5sum </run/whole.img"]).stdout == whole

    def stays(self) -> None:
        """It runs on kvm1 as before, and nothing of it is on kvm2."""
        self.hosts.kvm1.wait_for(
            "one QEMU", lambda: self.hosts.copies("web1") == {"kvm1": "running"}
        )
        self.goes_on("kvm1")
        kvm1, kvm2 = self.hosts.worlds.values()
        assert not [name for name in nodes(kvm1) if "migrate" in name]
        assert found(kvm2, _DATA) == []
        assert found(kvm2, _DATA.with_name("images")) == []
        assert found(kvm2, Path("/etc/pyvirt/domains")) == []


def nodes(world: World) -> list[str]:
    """The block nodes of the QEMU of web1."""
    socket = world.root / "run/pyvirt/domains/web1/qmp"
    answer = qmp_session.ask(socket, "query-named-block-nodes", {"flat": True}, timeout=20)
    return [node["node-name"] for node in answer]


def found(world: World, folder: Path) -> list[str]:
    """The names in a folder; none if it is missing."""
    return world.run(["ls", "-A", folder], check=False).stdout.split()


def rows(world: World, *words: str) -> list[dict[str, object]]:
    return list(json.loads(pyvirt(world, *words, "-o", "json").stdout))


@pytest.fixture(params=["", "trixie", "sid"])
def any_hosts(hosts: TwoHosts, request: pytest.FixtureRequest) -> TwoHosts:
    """Hosts with QEMU of a suite; empty: that of this machine."""
    hosts.use_qemu(request.param)
    return hosts


@contextmanager
def small(world: World, megabytes: int) -> Iterator[None]:
    """Have the disks of a host on a small file system."""
    world.run(["mkdir", "-p", _DATA])
    world.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}M", "tmpfs", _DATA])
    yield
    world.run(["umount", _DATA])


def moves(hosts: TwoHosts, *options: str) -> None:
    """Move a guest that writes, whose image kvm2 lacks; nothing stays on kvm1."""
    writer = Writer(hosts)
    files = _sums(hosts.kvm1)
    writer.migrate(*options)
    assert hosts.copies("web1") == {"kvm2": "running"}
    assert _sums(hosts.kvm2) == files
    assert found(hosts.kvm1, _DATA) == []
    assert rows(hosts.kvm1, "domain", "list") == []
    (image,) = rows(hosts.kvm2, "image", "list")
    assert (image["name"], image["source"], image["used_by"]) == ("base", BASE, ["web1"])
    assert not (hosts.kvm2.root / "var/lib/pyvirt/domains/web1/unfinished").exists()
    writer.check_disk("kvm2")


def _sums(world: World) -> str:
    """The files of the domain's folder but its disk, with their digests."""
    folder = _DATA / "web1"
    return world.run(
        ["sh", "-c", f"find {folder} -type f ! -name '*.qcow2' | sort | xargs md5sum"]
    ).stdout


def test_a_guest_that_writes_to_its_disk_moves_with_it(hosts: TwoHosts) -> None:
    moves(hosts)


@pytest.mark.long
@pytest.mark.parametrize(
    "options", [("--postcopy-after-precopy",), TCP, (*TCP, "--tls", "--tls-destination", "kvm2")]
)
def test_disks_move_in_every_mode(any_hosts: TwoHosts, options: tuple[str, ...]) -> None:
    any_hosts.make_certificates()
    moves(any_hosts, *options)


@pytest.mark.long
def test_disks_move_with_each_qemu(any_hosts: TwoHosts) -> None:
    moves(any_hosts)


@pytest.fixture
def shared(any_hosts: TwoHosts, tmp_path: Path) -> Iterator[TwoHosts]:
    """Hosts that see the same disks and images."""
    for name in ("domains", "images"):
        folder = tmp_path / name
        folder.mkdir()
        for world in any_hosts.worlds.values():
            world.run(["mkdir", "-p", f"/var/lib/pyvirt/{name}"])
            world.run(["mount", "--bind", folder, f"/var/lib/pyvirt/{name}"])
    yield any_hosts
    for world in any_hosts.worlds.values():
        pyvirt(world, "domain", "stop", "--force", "web1", check=False)


@pytest.mark.long
def test_shared_disks_stay_where_they_are(shared: TwoHosts) -> None:
    writer = Writer(shared)
    inode = (shared.kvm1.root / "var/lib/pyvirt/domains/web1/disk.qcow2").stat().st_ino
    writer.migrate()
    assert shared.copies("web1") == {"kvm2": "running"}
    pyvirt(shared.kvm2, "domain", "migrate", "web1", "kvm1")
    assert (shared.kvm1.root / "var/lib/pyvirt/domains/web1/disk.qcow2").stat().st_ino == inode
    assert not [name for name in found(shared.kvm1, _DATA / "web1") if name == "moving"]
    writer.check_disk("kvm1")


@pytest.mark.long
def test_a_migration_that_fails_leaves_the_guest_and_its_disk_alone(any_hosts: TwoHosts) -> None:
    """The disk is full there from the beginning, or gets full; or the owner cancels."""
    writer = Writer(any_hosts)
    kvm1, kvm2 = any_hosts.worlds.values()
    with small(kvm2, 16):
        said = writer.migrate(check=False)
        assert f"kvm2: the disk is full: {_DATA} has 16 MiB free" in said
        writer.stays()
    with small(kvm2, 40):
        wait = f"until [ -e {_DATA}/web1/disk.qcow2 ]; do sleep 0.01; done"
        fill = f"dd if=/dev/zero of={_DATA}/.fill bs=64k"
        filler = kvm2.spawn(["sh", "-c", f"{wait}; {fill}"], stderr=subprocess.DEVNULL)
        said = writer.migrate(check=False)
        filler.wait(60)
        assert "pyvirt: the disk of kvm2 is full: disk0 was not copied" in said
        kvm2.run(["rm", _DATA / ".fill"])
        writer.stays()
    argv = ["pyvirt", "domain", "migrate", "web1", "kvm2", "--bandwidth", "1"]
    migrating = kvm1.spawn(argv, stderr=subprocess.PIPE)
    kvm1.wait_for("the copy", lambda: "migrate-disk0" in nodes(kvm1))
    writer.goes_on("kvm1")
    kvm1.signal(migrating, signal.SIGINT)
    assert migrating.wait(60)
    writer.stays()
    writer.migrate()
    writer.check_disk("kvm2")


@pytest.mark.long
def test_a_guest_writes_on_once_a_cut_link_is_noticed(any_hosts: TwoHosts) -> None:
    writer = Writer(any_hosts)
    kvm1, kvm2 = any_hosts.worlds.values()
    argv = ["pyvirt", "domain", "migrate", "web1", "kvm2", "--bandwidth", "1"]
    migrating = kvm1.spawn(argv, stderr=subprocess.PIPE)
    kvm1.wait_for("the copy", lambda: "migrate-disk0" in nodes(kvm1))
    writer.goes_on("kvm1")
    any_hosts.cut("mg")
    assert migrating.wait(120)
    writer.goes_on("kvm1")
    any_hosts.mend("mg")
    kvm2.wait_for("the copy's end", lambda: found(kvm2, _DATA) == [], 120)
    writer.stays()
    writer.check_disk("kvm1")


@pytest.mark.long
def test_the_variables_of_uefi_move(any_hosts: TwoHosts) -> None:
    kvm1, kvm2 = any_hosts.kvm1, any_hosts.kvm2
    kvm1.run(["qemu-img", "create", "-q", "-f", "qcow2", EMPTY, "64M"])
    size = ("--network", "lan", "--memory", "128", "--accel", "tcg", "--no-seed", "--disk", EMPTY)
    pyvirt(kvm1, "domain", "create", "efi1", *size, "--firmware", "uefi")
    pyvirt(kvm1, "domain", "start", "efi1")
    console = "run/pyvirt/domains/efi1/console.log"
    kvm1.wait_for("UEFI", lambda: "BdsDxe: " in (kvm1.root / console).read_text(), 120)
    pyvirt(kvm1, "domain", "migrate", "efi1", "kvm2")
    assert any_hosts.copies("efi1") == {"kvm2": "running"}
    variables = kvm2.root / "var/lib/pyvirt/domains/efi1/uefi-vars.fd"
    assert variables.stat().st_size > 1 << 17
    assert b"BootOrder".decode().encode("utf-16-le") in variables.read_bytes()
