"""What a world's programs get: addresses by name, and the service's list."""

from __future__ import annotations

import json
from typing import Literal

from tests.system.world import World


def finds(world: World, name: str, family: Literal[4, 6] = 4) -> list[str]:
    """The addresses of one family that glibc gives for a name; [] if it knows none.

    A guest's IPv6 addresses come as it uses them. Not `ahostsv4`: that is for hosts that have an
    IPv4 address themselves (AI_ADDRCONFIG).
    """
    shown = world.run(["getent", "ahosts", name], check=False).stdout
    found = dict.fromkeys(line.split()[0] for line in shown.splitlines())
    return [address for address in found if (":" in address) == (family == 6)]


def entries(world: World) -> dict[str, dict[str, str]]:
    """`leasewatch list` by address."""
    rows = json.loads(world.run(["leasewatch", "list", "-o", "json"]).stdout)
    return {row["address"]: row for row in rows}


def has(world: World, name: str, *addresses: str, without: str = "") -> None:
    """Wait until a name has these addresses, and of IPv4 no others, nor the one it is without."""
    v4 = {address for address in addresses if ":" not in address}
    v6 = set(addresses) - v4

    def is_so() -> bool:
        found = set(finds(world, name, 6))
        return set(finds(world, name)) == v4 and v6 <= found and without not in found

    world.wait_for(f"{name} = {addresses}", is_so)
