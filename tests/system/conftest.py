"""What system tests share: a world for each test, networks, domains, the tiny guest, libvirt."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import readme
from tests.csrc.building import compile_c
from tests.libvirtd import PREPARE, domain
from tests.system.debian import PIP, STATE, debian, gets_it, packages, types
from tests.system.domains import define, define_idle, pyvirt
from tests.system.guest import GuestFiles
from tests.system.libvirt import NETWORK, Libvirt, start_libvirtd
from tests.system.machine import Machine, cgroup_trees
from tests.system.two_hosts import TwoHosts, two_hosts
from tests.system.world import CHECKOUT, World

NETWORK_PROGRAMS = ["busybox-static", "dnsmasq-base", "iproute2", "nftables"]
DEBS_NEED = ["openssh-client", "python3-click", "python3-rich", "python3-tomli-w"]
"""Besides those: our Debian packages for Debian 12, and what tests do with them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """How soon real programs act depends on what else the machine does."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.real_timing)


@pytest.fixture(scope="session")
def _namespaces() -> None:
    if os.geteuid() != 0:
        pytest.skip("system tests need root: packaging/test as root runs them")
    kinds = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork"]
    probe = subprocess.run(["unshare", *kinds, "true"], capture_output=True, text=True, check=False)
    if probe.returncode and not os.environ.get("CI"):
        pytest.skip(f"this machine gives no namespaces: {probe.stderr.strip()}")


@pytest.fixture
def world(_namespaces: None) -> Iterator[World]:
    """A fresh world for each test."""
    made = World()
    yield made
    made.close()


@pytest.fixture(scope="session")
def guest_files(_namespaces: None) -> GuestFiles:
    """The tiny guest, built once and cached in the checkout's .cache."""
    built = subprocess.run(
        [CHECKOUT / "packaging/guest"], stdout=subprocess.PIPE, text=True, check=True, timeout=300
    )
    return GuestFiles(Path(built.stdout.strip()))


@pytest.fixture
def hosts(guest_files: GuestFiles) -> Iterator[TwoHosts]:
    """Two hosts for each test, between which domains migrate."""
    with two_hosts(guest_files) as made:
        yield made


@pytest.fixture(scope="session")
def cloud_image(_namespaces: None) -> Path:
    """Debian 12 with cloud-init, GRUB, a locked root and no host keys."""
    script = Path(__file__).with_name("cloud_image.sh")
    made = subprocess.run(
        [script, "bookworm"], stdout=subprocess.PIPE, text=True, check=True, timeout=2400
    )
    return Path(made.stdout.strip())


@pytest.fixture
def started_lab(world: World) -> World:
    """A world with a started network `lab`."""
    pyvirt(world, "network", "create", "lab", "--subnet", "10.77.0.0/24", "--mode", "isolated")
    pyvirt(world, "network", "start", "lab")
    return world


@pytest.fixture
def lab_service(world: World, request: pytest.FixtureRequest) -> subprocess.Popen[str]:
    """Beside a started network `lab` with IPv6; a parameter is a program to run instead of it."""
    pyvirt(world, "network", "create", "lab", "--subnet", "10.77.0.0/24")
    pyvirt(world, "network", "start", "lab")
    return world.serve(*getattr(request, "param", ()))


@pytest.fixture
def served_lab(world: World, lab_service: subprocess.Popen[str]) -> World:
    """The world in which `lab_service` runs."""
    return world


@pytest.fixture
def lab(started_lab: World, guest_files: GuestFiles) -> World:
    """With a domain `web1` that is not started: the tiny guest."""
    define(started_lab, guest_files, "web1")
    return started_lab


@pytest.fixture
def idle_lab(started_lab: World) -> World:
    """With a domain `web1` that is not started and whose guest does nothing."""
    define_idle(started_lab, "web1")
    return started_lab


@pytest.fixture(scope="session")
def send_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that puts any frame on the wire, for machines that have no libraries."""
    source = Path(__file__).with_name("send_frames.c")
    return compile_c(tmp_path_factory.mktemp("send") / "send", ("cc", "-O2", "-static"), source)


@pytest.fixture
def libvirt_network(world: World) -> Libvirt:
    """With a started network `labnat`, and the service beside it."""
    world.run(["sh", "-c", PREPARE])
    made = start_libvirtd(world)
    world.serve()
    made.virsh("net-define", "/dev/stdin", input=NETWORK)
    made.virsh("net-start", "labnat")
    return made


@pytest.fixture
def libvirt(libvirt_network: Libvirt, guest_files: GuestFiles) -> Libvirt:
    """With a domain `vm1`."""
    made = libvirt_network
    described = domain(guest_files.kernel, guest_files.initrd)
    made.virsh("define", "/dev/stdin", input=described)
    return made


def small_debian() -> list[str]:
    """The packages of the one Debian 12 that is made for all tests of a run."""
    used = readme.section("Get it") + readme.script("Install elsewhere", PIP)
    return [*packages(used), *NETWORK_PROGRAMS, *DEBS_NEED]


@pytest.fixture(scope="session")
def bare(
    _namespaces: None, source: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Machine, str]]:
    """A booted Debian whose user has a clone of the project, and the state that it is in."""
    trees = cgroup_trees()
    if not trees or not all(os.access(tree, os.W_OK) for tree in trees):
        pytest.skip("this kernel, or the container we are in, gives systemd no cgroups")
    console = tmp_path_factory.mktemp("machine") / "console"
    with debian("bookworm", source, console, installed=small_debian(), fetched=[]) as made:
        gets_it(made, wheel)
        yield made, made.sh(STATE)


@pytest.fixture(scope="session")
def machine(bare: tuple[Machine, str]) -> Machine:
    """A booted Debian with the project in /opt/pyvirt, not installed into the system."""
    made, _ = bare
    types(made, readme.script("Install elsewhere", PIP))
    made.run(["nss-pyvirt", "remove"])
    return made


@pytest.fixture
def installed(machine: Machine) -> Iterator[Machine]:
    """`nss-pyvirt install` is done, and taken back at the end."""
    machine.run(["nss-pyvirt", "install"])
    yield machine
    machine.run(["nss-pyvirt", "remove"])
    machine.sh(
        "rm -rf /etc/pyvirt /var/lib/pyvirt /var/lib/leasewatch /var/lib/misc/dnsmasq.leases"
    )
