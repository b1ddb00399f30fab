"""Lease files that vanish, are replaced, harmed or closed: their names answer all the while.

One network for each fault, all at the same time, in the folders of a manager that is found by
itself. The service has no capability, so that what is closed is closed.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.system.observer import Observer, Said
from tests.system.world import World

NETWORKS = "/var/lib/incus/networks"
TABLE = "run/leasewatch/hosts.v1"
POWERLESS = ("setpriv", "--inh-caps=-all", "--ambient-caps=-all")

# Interface → what happens to its file $F or its folder $D, and what ends it. Then $F is written
# again, unless it is back.
FAULTS = {
    "deleted": ("rm $F", ":"),
    "moved": ("mv $F $F.away", "mv $F.away $F"),
    "movedon": ("mv $F $F.away", "rm $F.away"),
    "replaced": ("cp $F $F.new; mv $F.new $F", ":"),
    "folder": ("rm $F; mkdir $F", "rmdir $F"),
    "fifo": ("rm $F; mkfifo $F", "rm $F"),
    "nowhere": ("ln -sf /nowhere $F", "rm $F"),
    "loop": ("rm $F; ln -s $F $F", "rm $F"),
    "device": ("ln -sf /dev/zero $F", "rm $F"),
    "closed": ("chmod 0 $F", "chmod 644 $F"),
    "cut": ("truncate -s -5 $F", ":"),
    "cutearly": ("truncate -s 5 $F", ":"),
    "zeros": ("head -c 100 /dev/zero > $F", ":"),
    "junk": ("echo junk > $F", ":"),
    "emptyline": ("echo > $F", ":"),
    "dremoved": ("rm -r $D", "mkdir $D"),
    "dmoved": ("mv $D /var/lib/dmoved", "mv /var/lib/dmoved $D"),
    "dreplaced": ("mv $D /var/lib/dreplaced; mkdir $D", ":"),
    "dclosed": ("chmod 0 $D", "chmod 755 $D"),
    "dfile": ("rm -r $D; touch $D", "rm $D; mkdir $D"),
    "dcovered": ("mount -t tmpfs tmpfs $D", "umount $D"),
}
# What happens to all of them at once.
ABOVE = {
    "removed": (f"mv {NETWORKS} /var/lib/away", f"mv /var/lib/away {NETWORKS}"),
    "closed": ("chmod 0 /var/lib/incus", "chmod 711 /var/lib/incus"),
    "covered": (
        "mount -t tmpfs -o mode=755 tmpfs /var/lib/incus",
        "umount /var/lib/incus",
    ),
}


def shell(world: World, scripts: dict[str, str]) -> None:
    """Run each network's script with its $F and $D."""
    lines = [f"D={NETWORKS}/{name}; F=$D/dnsmasq.leases; {do}" for name, do in scripts.items()]
    world.run(["sh", "-ec", "\n".join(lines)])


def finds(world: World, name: str) -> bool:
    """Whether a program gets an address."""
    return world.run(["getent", "hosts", name], check=False).returncode == 0


def leases(name: str, hosts: Sequence[int]) -> str:
    """A shell command that writes the network's file as it should be."""
    number = list(FAULTS).index(name)
    later = int(time.time()) + 3600
    lines = [
        f"{later} 52:54:00:00:{number:02x}:{n:02x} 10.{number}.0.{n} {name}{n} *" for n in hosts
    ]
    return f"printf '%s\\n' {' '.join(repr(line) for line in lines)} > $F"


def said(hosts: Sequence[int]) -> dict[str, set[str]]:
    return {f"{name}{n}": {f"10.{i}.0.{n}"} for i, name in enumerate(FAULTS) for n in hosts}


@pytest.fixture
def service(world: World) -> subprocess.Popen[str]:
    """The networks and the service, which has published them all."""
    links = [f"link add {name} type bridge" for name in FAULTS]
    world.run(["ip", "-batch", "-"], input="\n".join(links))
    shell(world, {name: f"mkdir -p $D; {leases(name, (1, 2, 3))}" for name in FAULTS})
    return world.serve(*POWERLESS)


def let_it_look(world: World, service: subprocess.Popen[str]) -> None:
    """Pass the times after which an absence is believed, and let the service look at everything."""
    for _ in range(3):
        time.sleep(0.7)
        world.signal(service, signal.SIGHUP)
    time.sleep(0.7)


def test_names_answer_after_any_damage_to_a_lease_file_and_its_next_version_counts(
    world: World, service: subprocess.Popen[str]
) -> None:
    allowed = said((1, 2, 3, 4))
    stays = said((1, 2, 3))
    with Observer(world.root / TABLE, Said(allowed, always=stays)) as seen:
        shell(world, {name: harm for name, (harm, _) in FAULTS.items()})
        let_it_look(world, service)
        shell(world, {name: mend for name, (_, mend) in FAULTS.items()})
        shell(world, {name: leases(name, (1, 2, 3, 4)) for name in FAULTS})
        for name in FAULTS:
            world.wait_for(f"{name}'s new lease", lambda: finds(world, f"{name}4"))  # noqa: B023
    assert seen.generations > 1
    shell(world, {name: leases(name, (1, 2, 4)) for name in FAULTS})
    for name in FAULTS:
        world.wait_for(f"{name}'s given back lease", lambda: not finds(world, f"{name}3"))  # noqa: B023


def test_changes_that_inotify_dropped_are_seen_all_the_same(
    world: World, service: subprocess.Popen[str]
) -> None:
    folder = world.root / NETWORKS[1:] / "moved"
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    with Observer(world.root / TABLE, Said(said((1, 2, 3, 4)), always=said((1, 2)))):
        world.signal(service, signal.SIGSTOP)
        for n in range(queue + 100):  # equal events in a row are one
            (folder / f"flood{n % 2}").write_bytes(b"")
        shell(world, {name: leases(name, (1, 2, 4)) for name in FAULTS})
        world.signal(service, signal.SIGCONT)
        for name in FAULTS:
            world.wait_for(f"{name}'s new lease", lambda: finds(world, f"{name}4"))  # noqa: B023
            world.wait_for(f"{name}'s old one", lambda: not finds(world, f"{name}3"))  # noqa: B023


def test_names_answer_through_any_change_of_folders_until_the_network_is_gone(
    world: World, service: subprocess.Popen[str]
) -> None:
    with Observer(world.root / TABLE, Said(said((1, 2, 3, 4)), always=said((1, 2, 3)))):
        for harm, mend in ABOVE.values():
            world.run(["sh", "-c", harm])
            let_it_look(world, service)
            world.run(["sh", "-c", mend])
        shell(world, {"moved": leases("moved", (1, 2, 3, 4))})
        world.wait_for("a new lease", lambda: finds(world, "moved4"))
    shell(world, {"moved": "rm -r $D; ip link delete moved", "loop": "ip link delete loop"})
    world.wait_for("a removed network's names to go", lambda: not finds(world, "moved1"))
    assert finds(world, "loop1")  # its leases are still written down
    assert finds(world, "cut1")
