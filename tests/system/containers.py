"""Incus or LXD of a Debian suite, with busybox containers on a bridge br9: start, stop, ask them.

The daemon has a subtree of the cgroups to itself. It knows nothing of what is tested.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass

from tests.system.world import CHECKOUT, Client, World
from tests.system.writers import Writers

_CGROUP = f"pyvirt-test-containers-{os.getpid()}"
# A container's PID 1: a DHCP client that gives its lease back when the container is stopped.
_INIT = """#!/bin/sh
trap 'kill $client; wait $client; exit' PWR
ip link set lo up
ip link set eth0 up
udhcpc -f -R -t 30 -T 1 -i eth0 -s /udhcpc.sh -x "hostname:$(hostname)" &
client=$!
while kill -0 $client; do wait $client; done
"""
_IMAGE = """
mkdir -p /tmp/image/rootfs
cd /tmp/image/rootfs
mkdir bin sbin dev proc sys etc tmp run
cp /bin/busybox bin/
for applet in sh ip udhcpc hostname kill; do ln -s busybox bin/$applet; done
cp /tmp/init sbin/init
cp /tmp/udhcpc.sh udhcpc.sh
chmod 0755 sbin/init udhcpc.sh
printf 'architecture: x86_64\\ncreation_date: 1\\n' >../metadata.yaml
tar -C .. -cf /tmp/image.tar metadata.yaml rootfs
printf 'root:1000000:1000000000\\n' | tee /etc/subuid >/etc/subgid
"""
_DAEMON = """
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$0"
echo 0 >"/sys/fs/cgroup/$0/cgroup.procs"
exec unshare --cgroup --mount sh -ec '
    umount /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mount --make-rshared /
    PATH=$PATH:/usr/libexec/incus exec "$@"' sh "$@"
"""
_END = """
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cd "/sys/fs/cgroup/$0" || exit 0
echo 1 >cgroup.kill
while grep -q 'populated 1' cgroup.events; do sleep 0.05; done
cd ..
find "$0" -depth -type d -exec rmdir {} +
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """Incus or LXD; its files are in /var/lib/`name`."""

    name: str
    client: str
    daemon: str
    package: str


INCUS = Kind("incus", "incus", "incusd", "incus-base")
LXD = Kind("lxd", "lxc", "lxd", "lxd")


class Manager:
    """A running daemon with a network br9 and an image `tiny`; ends with `close`."""

    def __init__(self, world: World, suite: str, kind: Kind) -> None:
        self._kind = kind
        self._folder = f"/var/lib/{kind.name}"
        self.name = kind.name
        self.world = world
        self.programs = Writers(world, suite, self._folder)
        self.version = self.programs.version(kind.package)
        root = world.root / self.programs.path[1:]
        (root / "tmp/init").write_text(_INIT)
        (root / "tmp/udhcpc.sh").write_bytes((CHECKOUT / "tests/system/udhcpc.sh").read_bytes())
        self.programs.run(["sh", "-ec", _IMAGE])
        self._daemon = self.programs.spawn(["sh", "-ec", _DAEMON, _CGROUP, kind.daemon])
        try:
            world.wait_for(f"{kind.daemon} to answer", self._answers)
            self._set_up()
        except BaseException:
            self.close()
            raise

    def _set_up(self) -> None:
        self.cli("storage", "create", "pool", "dir")
        self.cli(
            *("network", "create", "br9", "ipv4.address=10.9.0.1/24", "ipv4.nat=false"),
            *("ipv6.address=fd09::1/64", "ipv6.nat=false", "ipv6.dhcp.stateful=true"),
        )
        self.cli("profile", "device", "add", "default", "root", "disk", "path=/", "pool=pool")
        self.cli("profile", "device", "add", "default", "eth0", "nic", "network=br9", "name=eth0")
        self.cli("profile", "set", "default", "raw.lxc=lxc.cgroup.relative=1")
        self.cli("image", "import", "/tmp/image.tar", "--alias", "tiny")

    def close(self) -> None:
        """End the daemon and its containers, and take the cgroups back."""
        self.programs.run(["sh", "-ec", _END, _CGROUP])

    def cli(self, *words: str) -> str:
        """What the command prints on stdout."""
        argv = [self._kind.client, "--quiet", *words]
        return self.programs.run(argv, env={"HOME": "/tmp"}, timeout=120).stdout

    def file(self, name: str = "") -> str:
        """The path of one of the network's files."""
        return f"{self._folder}/networks/br9/{name}"

    def address(self, instance: str, project: str = "default") -> str:
        """The IPv4 address in the lease file of an instance's card, once it has one."""
        shown = self.cli("query", f"/1.0/instances/{instance}?project={project}")
        mac = json.loads(shown)["config"]["volatile.eth0.hwaddr"]

        def leased() -> str | None:
            text = self.world.run(["cat", self.file("dnsmasq.leases")]).stdout
            found = re.search(rf"^\d+ {mac} (\S+) .*\n", text, re.MULTILINE)
            return found[1] if found else None

        return self.world.wait_for(f"a lease for {instance}", leased) or ""

    def network_of(self, instance: str) -> Client:
        """The network of a running instance of the default project."""
        state = json.loads(self.cli("query", f"/1.0/instances/{instance}/state"))
        return _Inside(self.world, instance, int(state["pid"]))

    def _answers(self) -> bool:
        assert self._daemon.poll() is None, f"{self._kind.daemon} has ended"
        try:
            self.cli("query", "/1.0")
        except (AssertionError, subprocess.TimeoutExpired):
            return False
        return True


class _Inside(Client):
    """A process' network namespace as a client that is on the bridge already."""

    def __init__(self, world: World, name: str, pid: int) -> None:
        self.name = name
        self._world = world
        self._dhcp = None
        world.run(["ip", "netns", "attach", name, str(pid)])
