"""Guests that are saved and go on with the QEMUs of other Debian suites."""

from __future__ import annotations

import pytest

from tests.system.domains import RUN, define, lease, pyvirt, read, row
from tests.system.guest import GuestFiles
from tests.system.qemu_suites import use_qemu
from tests.system.two_hosts import Session
from tests.system.world import World

pytestmark = pytest.mark.long
DISK = "/run/empty.qcow2"
ROUTES = {
    "7.2": ("", ""),
    "10.0": ("trixie", "trixie"),
    "11.1": ("sid", "sid"),
    "from 7.2 to 10.0": ("", "trixie"),
    "from 7.2 to 11.1": ("", "sid"),
}


@pytest.mark.parametrize("route", ROUTES)
def test_a_guest_goes_on_with_its_ssh_session_and_its_disk(
    started_lab: World, guest_files: GuestFiles, route: str
) -> None:
    world = started_lab
    before, after = ROUTES[route]
    use_qemu(world, before)
    world.run(["qemu-img", "create", "-q", "-f", "qcow2", DISK, "64M"])
    define(world, guest_files, "web1", "--disk", DISK)
    pyvirt(world, "domain", "start", "web1")
    address = lease(world, "web1")
    session = Session(world, guest_files, address, 1)
    for suite in (before, after):
        pyvirt(world, "domain", "save", "web1")
        assert row(world, "web1")["state"] == "saved"
        use_qemu(world, suite)
        pyvirt(world, "domain", "restore", "web1")
        session.goes_on()
        said = read(world, RUN / "web1/qemu.log").splitlines()
        assert [line for line in said if "machines more than 3 years old" not in line] == []


def save_by_qemu_10(world: World, guest_files: GuestFiles) -> None:
    use_qemu(world, "trixie")
    define(world, guest_files, "web1")
    pyvirt(world, "domain", "start", "web1")
    pyvirt(world, "domain", "save", "web1")


def test_qemu_11_cannot_read_the_long_queues_of_10_0_and_the_guest_stays_saved(
    started_lab: World, guest_files: GuestFiles
) -> None:
    save_by_qemu_10(started_lab, guest_files)
    use_qemu(started_lab, "sid")
    refused = pyvirt(started_lab, "domain", "restore", "web1", check=False)
    assert refused.returncode == 1
    assert "web1 cannot go on" in refused.stderr
    assert "it stays saved" in refused.stderr
    use_qemu(started_lab, "trixie")
    pyvirt(started_lab, "domain", "restore", "web1")


def test_an_older_qemu_refuses_what_it_cannot_read(
    started_lab: World, guest_files: GuestFiles
) -> None:
    save_by_qemu_10(started_lab, guest_files)
    use_qemu(started_lab, "")
    refused = pyvirt(started_lab, "domain", "start", "web1", check=False)
    assert refused.returncode == 1
    assert "has saved it, and 7.2" in refused.stderr
    assert row(started_lab, "web1")["state"] == "saved"
