"""Names that the host's owner gives to machines of others, with real servers and guests."""

from __future__ import annotations

from tests.system.asking import entries, finds
from tests.system.libvirt import BRIDGE as VIRBR
from tests.system.libvirt import Libvirt
from tests.system.world import World

SETTINGS = "/etc/pyvirt/leasewatch.toml"
VM1 = "52:54:00:dd:00:01"


def name_card(
    world: World, name: str, mac: str, network: str, *aliases: str, settings: str = ""
) -> None:
    """Write it into the settings, with other ones; a service that runs takes it in."""
    text = f'[[host]]\nname = "{name}"\nmac = "{mac}"\nnetwork = "{network}"\n'
    world.run(["tee", SETTINGS], input=f"{text}aliases = {list(aliases)}\n{settings}")
    world.run(["sh", "-c", "pids=$(ps -C leasewatch -o pid=) && kill -HUP $pids || :"])


def test_an_appliance_answers_to_the_name_that_its_owner_gave_its_card(lab: World) -> None:
    mac = "00:1b:a9:00:00:01"
    name_card(lab, "printer", mac, "lab", "scanner", "print.example")
    lab.serve()
    liar = lab.client("liar", "pv-lab").dhcp("printer")
    lab.wait_for("the liar to be seen", lambda: liar in entries(lab))
    assert entries(lab)[liar]["reason"] == '"printer" is a name set by the owner'
    address = lab.client("appliance", "pv-lab", mac).dhcp("HP4711")
    for name in ("printer", "scanner", "print.example", "printer.lab.internal", "hp4711"):
        lab.wait_for(f"{name} to answer", lambda: finds(lab, name) == [address])  # noqa: B023
    shown = lab.run(["getent", "hosts", address]).stdout.split()
    assert shown == [address, "printer", "printer.lab.internal", "scanner", "print.example"]
    name_card(lab, "plotter", mac, "lab")
    lab.wait_for("the new name", lambda: finds(lab, "plotter") == [address])
    assert finds(lab, "scanner") == []


OFFICE = """
[[source]]
path = "/var/lib/misc/office.leases"
network = "office"
bridge = "br0"
"""


def test_a_machine_on_a_bridge_that_comes_after_the_settings_answers(lab: World) -> None:
    lab.serve()
    mac = "00:1b:a9:00:00:01"
    name_card(lab, "printer", mac, "office", settings=OFFICE)
    sources = ["leasewatch", "sources"]
    lab.wait_for("the settings", lambda: "office.leases" in lab.run(sources).stdout)
    lab.run(["ip", "link", "add", "br0", "type", "bridge"])
    lab.run(["ip", "address", "add", "192.0.2.1/24", "dev", "br0"])
    lab.run(["ip", "link", "set", "br0", "up"])
    appliance = lab.client("appliance", "br0", mac)
    appliance.run(["ip", "address", "add", "192.0.2.5/24", "dev", "eth0"])
    appliance.run(["ping", "-c", "1", "-W", "5", "192.0.2.1"])
    lab.wait_for("it to answer", lambda: finds(lab, "printer") == ["192.0.2.5"])


def test_a_libvirt_guest_answers_to_its_owners_other_names_while_it_runs(libvirt: Libvirt) -> None:
    libvirt.virsh("start", "vm1")
    name_card(libvirt.world, "db", VM1, "labnat", "db.example")
    libvirt.wait("a lease for vm1", lambda: bool(libvirt.leased(VM1)), 60)
    vm1 = libvirt.leased(VM1)
    for name in ("vm1", "db", "db.example"):
        libvirt.wait(f"{name} to answer", lambda: libvirt.ours(name) == vm1)  # noqa: B023
    thief = libvirt.world.client("thief", VIRBR).dhcp("db")
    libvirt.wait("the claim to be seen", lambda: thief in entries(libvirt.world))
    assert entries(libvirt.world)[thief]["reason"] == '"db" is an alias of domain vm1'
    assert libvirt.ours("db") == vm1
