"""How tests look at the service that is installed on a machine."""

from __future__ import annotations

import time

from tests.system.machine import Machine
from tests.waiting import wait_for

SETTINGS = '[[source]]\npath = "/var/lib/misc/dnsmasq.leases"\nnetwork = "office"\n'


def lease(name: str, last: int) -> str:
    """A line of dnsmasq's lease file."""
    return f"{int(time.time()) + 3600} 52:54:00:00:00:{last:02x} 10.9.0.{last} {name} *\n"


def write_leases(machine: Machine, *lines: str) -> None:
    path = "/var/lib/misc/dnsmasq.leases"
    machine.run(
        ["sh", "-ec", f"umask 077; mkdir -p /var/lib/misc; cat >{path}"], stdin="".join(lines)
    )


def resolves(machine: Machine, name: str) -> list[str]:
    """What getent prints first: the address and the names."""
    return machine.run(["getent", "hosts", name], check=False).stdout.split()


def wait_until_it_resolves(machine: Machine, name: str, timeout: float = 60) -> list[str]:
    return wait_for(f"getent hosts {name}", lambda: resolves(machine, name), timeout)


def main_pid(machine: Machine) -> str:
    return machine.run(["systemctl", "show", "-P", "MainPID", "leasewatch"]).stdout.strip()


def is_active(machine: Machine, unit: str) -> str:
    return machine.run(["systemctl", "is-active", unit], check=False).stdout.strip()
