"""A site of hosts: worlds whose networks are joined, each with a service and a DNS process.

The first host is the switch, so its port to another host is the link that tests take away.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leasewatch.dns import keys
from tests.system.world import World

SITE = "vm.example.org"
_LATER = int(time.time()) + 7200
_LEASES = "var/lib/misc/lab.leases"
_LOG = "/run/leasewatch-dns/log"


class SiteHost:
    """hosta is 10.99.0.1 and its guests are in 10.78.1.0/24, hostb is .2, and so on."""

    def __init__(self, world: World, number: int, hosts: int, key: Path, more: str) -> None:
        self.world = world
        self.name = _name(number)
        self.number = number
        others = [n for n in range(1, hosts + 1) if n != number]
        pull = ", ".join(f'"{_name(n)} 10.99.0.{n}:5300"' for n in others)
        notify = ", ".join(f'"10.99.0.{n}:5300"' for n in others)
        folders = ("/var/lib/leasewatch-dns", "/run/leasewatch-dns", "/etc/pyvirt/dns")
        world.run(["install", "-d", *folders])
        world.run(["chown", "leasewatch-dns:", *folders[:2]])
        world.run(["install", "-m", "0600", "-o", "leasewatch-dns", key, "/etc/pyvirt/dns/xfr.key"])
        settings = f"""
[[source]]
path = "/{_LEASES}"
network = "lab"
[[host]]
name = "{self.name}-owned"
mac = "52:54:00:00:{number:02x}:c8"
network = "lab"
[dns]
listen = ["10.99.0.{number}:5300"]
host = "{self.name}"
site = "example.org"
key = "xfr"
pull = [{pull}]
notify = [{notify}]
{more}
"""
        world.run(["tee", "/etc/pyvirt/leasewatch.toml"], input=settings)
        self._leases: dict[int, str] = {}
        self._pids: dict[str, str] = {}

    def guest(self, number: int, name: str) -> tuple[str, str]:
        """Give a guest a lease; returns its name in the site and its address."""
        address = f"10.78.{self.number}.{number}"
        mac = f"52:54:00:00:{self.number:02x}:{number:02x}"
        self._leases[number] = f"{_LATER} {mac} {address} {name} *\n"
        self._write()
        return f"{name}.lab.{self.name}.{SITE}", address

    def end_guest(self, number: int) -> None:
        """Take a lease away."""
        del self._leases[number]
        self._write()

    def start(self, *before: str) -> None:
        """Start what is not running: as daemons, so that they outlive the test that starts them.

        `before`: a program with arguments that starts the DNS process, e.g. env.
        """
        if "service" not in self._pids:
            self._pids["service"] = self._daemon("serve")
            self.world.wait_for("the service", lambda: self._answers("sources"))
        if "dns" not in self._pids:
            self._pids["dns"] = self._daemon("dns serve", *before)
            self.world.wait_for(f"the DNS process: {self.said()}", lambda: self._answers("dns"))

    def kill(self, program: str) -> None:
        """`service` or `dns` gets SIGKILL."""
        pid = self._pids.pop(program)
        self.world.run(["kill", "-KILL", pid])
        self.world.wait_for(
            "its end", lambda: self.world.run(["kill", "-0", pid], check=False).returncode
        )

    def ask(self, name: str) -> list[str]:
        """The addresses that programs get from the NSS module, which asks no name server."""
        done = self.world.run(["getent", "-s", "hosts:pyvirt", "ahosts", name], check=False)
        return list(dict.fromkeys(line.split()[0] for line in done.stdout.splitlines()))

    def await_answer(self, name: str, *addresses: str) -> float:
        """Wait until a name has these addresses; returns the seconds."""
        began = time.monotonic()
        what = f"{name} on {self.name} = {addresses}; {self.said()[-2000:]}"
        self.world.wait_for(what, lambda: self.ask(name) == [*addresses])
        return time.monotonic() - began

    def said(self) -> str:
        """What the service and the DNS process have printed."""
        return self.world.run(["cat", _LOG], check=False).stdout

    def _daemon(self, command: str, *before: str) -> str:
        """Start a command of leasewatch; returns its pid."""
        argv = " ".join(["setsid", *before, "leasewatch", command])
        script = f"{argv} </dev/null >>{_LOG} 2>&1 & echo $!"
        return self.world.run(["sh", "-c", script]).stdout.strip()

    def _answers(self, command: str) -> bool:
        return not self.world.run(["leasewatch", command], check=False).returncode

    def _write(self) -> None:
        (self.world.root / _LEASES).write_text("".join(self._leases.values()))


class Site:
    """Hosts by number, from 1."""

    def __init__(self, hosts: dict[int, SiteHost]) -> None:
        self.hosts = hosts

    def set_link(self, number: int, state: str) -> None:
        """Take the link of a host (not the first) away, or bring it back: down or up."""
        self.hosts[1].world.run(["ip", "link", "set", f"port{number}", state])


@contextmanager
def site(folder: Path, hosts: int, more: str = "") -> Iterator[Site]:
    """So many hosts, all running; `more`: lines of the first one's [dns]."""
    worlds: dict[int, World] = {}
    try:
        for number in range(1, hosts + 1):
            worlds[number] = World()
        _join(worlds)
        key = keys.make(folder, "xfr")
        made = {
            n: SiteHost(world, n, hosts, key, more if n == 1 else "") for n, world in worlds.items()
        }
        for host in made.values():
            host.start()
        yield Site(made)
    finally:
        for world in worlds.values():
            world.close()


def _join(worlds: dict[int, World]) -> None:
    """A bridge in the first world with a port to each of the others."""
    first = worlds[1]
    first.run(["ip", "link", "add", "site", "type", "bridge"])
    first.run(["ip", "address", "add", "10.99.0.1/24", "dev", "site"])
    first.run(["ip", "link", "set", "site", "up"])
    for number, world in list(worlds.items())[1:]:
        end = ["type", "veth", "peer", "name", "eth0", "netns", str(_pid(world))]
        enter = ["nsenter", f"--net=/proc/{_pid(first)}/ns/net"]
        link = [*enter, "ip", "link", "add", f"port{number}", *end]
        subprocess.run(link, check=True, timeout=60)
        first.run(["ip", "link", "set", f"port{number}", "master", "site", "up"])
        world.run(["ip", "address", "add", f"10.99.0.{number}/24", "dev", "eth0"])
        world.run(["ip", "link", "set", "eth0", "up"])


def _pid(world: World) -> int:
    return int(world.root.parts[2])


def _name(number: int) -> str:
    return f"host{chr(ord('a') + number - 1)}"
