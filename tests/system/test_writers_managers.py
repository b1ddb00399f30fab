"""Managers of machines of newer Debian suites: their instances answer while they run.

Incus and LXD with real containers, libvirt with a real guest, each in the newest version that its
suite has on the day; the first run of a suite takes minutes. What they wrote stays below
.cache/recorded (tests/leasewatch/recorded/README.md).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.libvirtd import PREPARE, domain
from tests.system.asking import finds, has
from tests.system.containers import INCUS, LXD, Kind, Manager
from tests.system.dhcpv6 import ask_v6, release_v6
from tests.system.guest import GuestFiles
from tests.system.libvirt import BRIDGE, MAC, NETWORK
from tests.system.world import World
from tests.system.writers import Note, Writers, listed, no_source_has_an_error

pytestmark = pytest.mark.long


@pytest.fixture(
    params=[("trixie", INCUS), ("sid", INCUS), ("trixie", LXD)],
    ids=["incus-trixie", "incus-sid", "lxd-trixie"],
)
def manager(
    world: World, request: pytest.FixtureRequest, record_property: Note
) -> Iterator[Manager]:
    """Incus or LXD, and the service."""
    suite: str
    kind: Kind
    suite, kind = request.param
    world.serve()
    made = Manager(world, suite, kind)
    record_property(made.name, made.version)
    yield made
    made.close()


def test_instances_of_every_project_answer_while_they_run(manager: Manager) -> None:
    world, scene = manager.world, f"{manager.name}-{manager.version}"
    folder = manager.file().rstrip("/")
    manager.cli("launch", "tiny", "web1")
    manager.cli("init", "tiny", "db1")
    fixed = ("ipv4.address=10.9.0.77", "ipv6.address=fd09::77")
    manager.cli("config", "device", "override", "db1", "eth0", *fixed)
    manager.cli("start", "db1")
    for project, instance in (("shop", "app1"), ("my.shop", "app2")):
        own = ("-c", "features.images=false", "-c", "features.profiles=false")
        manager.cli("project", "create", project, *own)
        manager.cli("launch", "tiny", instance, "--project", project)
        address = manager.address(instance, project)
        has(world, instance, address)
        has(world, f"{instance}.{project}", address)
    manager.cli("init", "tiny", "web1", "--project", "shop")
    web1, inside = manager.address("web1"), manager.network_of("web1")
    web1_v6 = ask_v6(inside, "web1")
    inside.run(["ip", "address", "add", f"{web1_v6}/128", "dev", "eth0", "nodad"])
    has(world, "web1.br9.internal", web1, web1_v6)
    has(world, "db1", "10.9.0.77")
    manager.programs.record(scene, folder)
    # A new name rewrites all files, also that of a web1 that never ran.
    manager.cli("stop", "db1")
    manager.cli("rename", "db1", "db2")
    world.run(["test", "-e", manager.file("dnsmasq.hosts/shop_web1.eth0")])
    manager.programs.record(f"{scene}-renamed", folder)
    has(world, "db2")
    has(world, "db1")
    has(world, "web1", web1, web1_v6)
    manager.cli("start", "db2")
    has(world, "db2", "10.9.0.77")
    manager.cli("delete", "--force", "app1", "--project", "shop")
    has(world, "app1")
    no_source_has_an_error(world)


def test_a_domain_of_libvirt_answers_while_it_runs_and_so_do_its_neighbours(
    world: World, guest_files: GuestFiles, record_property: Note
) -> None:
    programs = Writers(world, "sid", "/var/lib/libvirt", "/run/guest")
    version = programs.version("libvirt-daemon")
    record_property("libvirt", version)
    world.run(["cp", guest_files.kernel, guest_files.initrd, "/run/guest"])
    world.serve()

    def virsh(*words: str, text: str = "") -> None:
        programs.run(["virsh", "-q", "-c", "qemu:///system", *words], input=text)

    programs.spawn(["sh", "-c", f"{PREPARE}exec libvirtd"])
    probe = ["virsh", "-c", "qemu:///system", "version"]
    world.wait_for("libvirtd", lambda: not programs.run(probe, check=False).returncode)
    # Of NAT's rules one needs a kernel with tc's checksum action.
    virsh("net-define", "/dev/stdin", text=NETWORK.replace("mode='nat'", "mode='open'"))
    virsh("net-start", "labnat")
    boots = domain("/run/guest/vmlinuz", "/run/guest/initrd.gz")
    virsh("define", "/dev/stdin", text=boots)
    virsh("start", "vm1")
    world.wait_for("vm1 to be known", lambda: listed(world, "vm1"))
    rock, web2, gone = (world.client(f"c{n}", BRIDGE, MAC(n)) for n in (1, 2, 9))
    has(world, "rock1", rock.dhcp("rock1"))
    assert listed(world, "rock1")["expires"] is None  # its reservation says so
    v4, v6 = web2.dhcp("web2.corp.test"), ask_v6(web2, "web2")
    has(world, "web2", v4, v6)
    has(world, "gone9", gone.dhcp("gone9"))
    gone.release()
    has(world, "gone9")
    world.wait_for("vm1 to answer", lambda: finds(world, "vm1.labnat.internal"), 180)
    world.wait_for("its own name", lambda: finds(world, "inside") == finds(world, "vm1"))
    folder = "/var/lib/libvirt/dnsmasq"
    files = [f"{folder}/{name}" for name in ("labnat.conf", "virbr7.macs", "virbr7.status")]
    programs.record(f"libvirt-{version}", *files)
    release_v6(web2)
    has(world, "web2", v4, without=v6)
    virsh("destroy", "vm1")
    world.wait_for("vm1 to be forgotten", lambda: not finds(world, "vm1"))
    programs.record(f"libvirt-{version}-destroyed", *files)
    no_source_has_an_error(world)
