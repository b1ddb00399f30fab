"""Saved guests go on where they were, once, with a real QEMU (emulated)."""

from __future__ import annotations

from tests.system.asking import finds
from tests.system.domains import lease, pyvirt, read, row, traces
from tests.system.guest import GuestFiles
from tests.system.two_hosts import Session
from tests.system.world import World

DATA = "/var/lib/pyvirt/domains/web1"
SAVED = f"{DATA}/saved"


def state(world: World) -> object:
    return row(world, "web1")["state"]


def files(world: World) -> list[str]:
    """What lies in the domain's folder."""
    return world.run(["ls", "-A", DATA], check=False).stdout.split()


def test_an_ssh_session_goes_on_after_a_restore(lab: World, guest_files: GuestFiles) -> None:
    pyvirt(lab, "domain", "start", "web1")
    address = lease(lab, "web1")
    session = Session(lab, guest_files, address, 1)
    lab.serve()
    done = pyvirt(lab, "domain", "save", "web1")
    assert done.stdout.startswith("domain web1 is saved (")
    assert (state(lab), finds(lab, "web1")) == ("saved", [])
    assert lab.run(["stat", "-c", "%a %U", SAVED]).stdout == "600 root\n"
    assert [line for line in traces(lab) if address not in line] == []
    assert address in read(lab, "/var/lib/pyvirt/leases/lab.leases")
    assert pyvirt(lab, "domain", "list", "-c", "state", "--no-header", user="nobody").stdout == (
        "saved\n"
    )
    pyvirt(lab, "domain", "restore", "web1")
    session.goes_on()
    assert (state(lab), files(lab).count("saved")) == ("running", 0)
    assert finds(lab, "web1") == [address]
    pyvirt(lab, "domain", "save", "web1")
    pyvirt(lab, "network", "stop", "lab")
    lab.run(["rm", "/var/lib/pyvirt/leases/lab.leases"])
    pyvirt(lab, "network", "start", "lab")
    pyvirt(lab, "domain", "start", "web1")
    assert lease(lab, "web1") == address  # asked for anew
    session.goes_on()
