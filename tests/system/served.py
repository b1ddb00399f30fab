"""A world in which `leasewatch doctor` finds nothing wrong, and how tests ask it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from subprocess import Popen
from typing import NamedTuple

from tests.system import own_dnsmasq
from tests.system.domains import define_idle
from tests.system.networks import started
from tests.system.world import Client, World

SETTINGS = f"""
[[source]]
path = "{own_dnsmasq.FILE}"
network = "office"
bridge = "{own_dnsmasq.BRIDGE}"
"""


class Served(NamedTuple):
    """A world with networks, a domain, a guest that has a lease, and the service."""

    world: World
    guest: Client
    service: Popen[str]

    def rows(self, *words: str, user: str | None = None) -> list[dict[str, str]]:
        """What doctor says. It exits with 1 if a row is bad."""
        asked = ["leasewatch", "doctor", "-o", "json", *words]
        done = self.world.run(asked, check=False, user=user)
        found: list[dict[str, str]] = json.loads(done.stdout)
        assert done.returncode == any(row["state"] == "bad" for row in found), done
        return found

    def about(self, subject: str, *words: str) -> list[dict[str, str]]:
        return [row for row in self.rows(*words) if row["subject"] == subject]

    def is_well(self, subject: str) -> bool:
        return {row["state"] for row in self.about(subject)} <= {"ok"}

    def sh(self, script: str) -> str:
        return self.world.run(["sh", "-ec", script.replace("sudo ", "")]).stdout

    def wait_until_it_resolves(self, name: str) -> None:
        def ends() -> bool:
            return self.rows(name)[-1]["subject"] == "outside NSS"

        self.world.wait_for(f"{name} to resolve", ends, 30)


@contextmanager
def serving() -> Iterator[Served]:
    """With networks lab and inner, a stopped domain web1, and a guest printer that has a lease."""
    with closing(World()) as world:
        world.run(["sh", "-ec", own_dnsmasq.NETWORK])
        world.run(["tee", "/etc/pyvirt/leasewatch.toml"], input=SETTINGS)
        started(world, "lab", "--subnet", "10.77.0.0/24")
        started(world, "inner", "--subnet", "10.78.0.0/24", "--mode", "isolated")
        define_idle(world, "web1", "--alias", "shop")
        service = world.serve()
        guest = world.client("printer", "pv-lab")
        guest.dhcp("printer")
        found = Served(world, guest, service)
        found.wait_until_it_resolves("printer")
        yield found
