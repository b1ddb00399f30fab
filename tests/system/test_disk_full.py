"""Full disks: what was published answers on, and all is right once there is room again."""

from __future__ import annotations

import json
import signal
import time

import pytest

from tests.system.asking import entries, finds
from tests.system.observer import Observer, Said
from tests.system.world import World

FILE = "/var/lib/misc/dnsmasq.leases"
TABLE = "run/leasewatch/hosts.v1"
LATER = int(time.time()) + 7200
PAGE = 4096


def leases(first: int, last: int) -> dict[str, str]:
    """Lines of a lease file of 10.9.0.0/24, by hostname."""
    return {f"vm{n}": f"{LATER} {mac(n)} 10.9.0.{n} vm{n} *\n" for n in range(first, last + 1)}


def size(lines: dict[str, str]) -> int:
    """Bytes of such a file."""
    return sum(map(len, lines.values()))


def mac(number: int) -> str:
    return f"52:54:00:00:09:{number:02x}"


def truth(lines: dict[str, str], *, always: int) -> Said:
    """Each name has its address; the first so many must answer."""
    allowed = {name: {line.split()[2]} for name, line in lines.items()}
    return Said(allowed, always=list(lines)[:always])


def fill(world: World, folder: str) -> None:
    """Leave no room in a folder that is a disk of its own."""
    world.run(["sh", "-c", f"cat /dev/zero > {folder}/filler"], check=False)
    assert world.run(["sh", "-c", f"echo > {folder}/more"], check=False).returncode


@pytest.fixture
def tiny_run(world: World) -> World:
    """A world with 200 leases and a service whose /run/leasewatch is small."""
    owner = "uid=leasewatch,gid=leasewatch,mode=755"
    world.run(["mount", "-t", "tmpfs", "-o", f"size=256k,{owner}", "tmpfs", "/run/leasewatch"])
    (world.root / FILE[1:]).write_text("".join(leases(10, 209).values()))
    return world


def test_a_full_run_keeps_the_table_through_a_restart_and_takes_up_what_it_missed(
    tiny_run: World,
) -> None:
    world, all_of_them = tiny_run, leases(10, 249)
    service = world.serve()
    with Observer(world.root / TABLE, truth(all_of_them, always=200)) as seen:
        fill(world, "/run/leasewatch")
        (world.root / FILE[1:]).write_text("".join(all_of_them.values()))
        world.wait_for("the new leases to be known", lambda: len(entries(world)) == 240)
        assert finds(world, "vm249") == []
        world.signal(service, signal.SIGKILL)
        service.wait(30)
        world.serve()
        assert finds(world, "vm249") == []
        assert seen.generations == 1
        world.run(["rm", "/run/leasewatch/filler"])
        world.wait_for("the new leases to answer", lambda: finds(world, "vm249"))


def test_dnsmasq_without_room_for_its_leases_loses_no_name(world: World) -> None:
    """Its file is then cut within a line, until it tries again."""
    for command in ("link add br9 type bridge", "addr add 10.9.0.1/24 dev br9", "link set br9 up"):
        world.run(["ip", *command.split()])
    clients = {n: world.client(f"c{n}", "br9", mac(n)) for n in (249, 250)}
    world.run(["mount", "-t", "tmpfs", "-o", f"size={3 * PAGE}", "tmpfs", "/var/lib/misc"])
    count = next(n for n in range(240) if size(leases(10, 10 + n)) > 2 * PAGE) - 1
    before = leases(10, 10 + count)
    rest = 2 * PAGE - size(before)
    before["vm10"] = before["vm10"].replace("*", "01" + rest // 3 * ":02")
    assert 2 * PAGE - 3 < size(before) <= 2 * PAGE
    (world.root / FILE[1:]).write_text("".join(before.values()))
    world.serve()
    world.spawn(
        [
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root"),
            *("--port=0", "--interface=br9", "--bind-dynamic", "--no-ping", "--pid-file="),
            *("--dhcp-range=10.9.0.10,10.9.0.250,2h", "--dhcp-authoritative"),
            *(f"--dhcp-host={mac(n)},10.9.0.{n}" for n in clients),
            *(f"--dhcp-leasefile={FILE}", "--log-facility=-"),
        ]
    )
    with Observer(world.root / TABLE, truth(before | leases(249, 250), always=len(before))):
        fill(world, "/var/lib/misc")
        clients[249].dhcp("vm249")
        world.wait_for("a cut file", lambda: not (world.root / FILE[1:]).read_text().endswith("\n"))
        world.wait_for(
            "vm249, which is not in the part that is lost", lambda: finds(world, "vm249")
        )
        time.sleep(1.5)  # longer than an absence takes to be believed
        world.run(["rm", "/var/lib/misc/filler"])
        clients[250].dhcp("vm250")
        world.wait_for("vm250", lambda: finds(world, "vm250"))


def test_a_network_outlives_a_full_run_and_a_dnsmasq_that_ends_then(world: World) -> None:
    world.run(["mkdir", "-p", "/run/pyvirt"])
    world.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", "/run/pyvirt"])
    world.run(["pyvirt", "network", "create", "lab", "--subnet", "10.77.0.0/24"])
    world.run(["pyvirt", "network", "start", "lab"])
    cards = {f"vm{n}": (mac(n), f"10.77.0.{n + 20}") for n in range(3)}
    entries = "".join(f"{','.join(card)}\n" for card in cards.values())
    world.run(["tee", "/run/pyvirt/networks/lab/hosts.d/clients"], input=entries)
    world.serve()
    clients = [world.client(f"c{n}", "pv-lab", mac(n)) for n in range(3)]
    state = world.root / "run/pyvirt/networks/lab.json"
    before = json.loads(state.read_text())
    assert clients[0].dhcp("vm0") == cards["vm0"][1]
    world.wait_for("vm0", lambda: finds(world, "vm0"))
    known = Said({name: {address} for name, (_, address) in cards.items()}, always=["vm0"])
    with Observer(world.root / TABLE, known):
        fill(world, "/run/pyvirt")
        clients[1].dhcp("vm1")
        world.wait_for("vm1", lambda: finds(world, "vm1"))
        world.run(["kill", "-HUP", str(before["pid"])])  # as `network start` does, to mend it
        world.run(["kill", "-KILL", str(before["dnsmasq_pid"])])
        time.sleep(2)
        world.run(["rm", "/run/pyvirt/filler"])
        clients[2].dhcp("vm2", timeout=60)
        world.wait_for("vm2", lambda: finds(world, "vm2"))
    after = json.loads(state.read_text())
    assert after["pid"] == before["pid"]
    assert after["dnsmasq_pid"] not in {0, before["dnsmasq_pid"]}
