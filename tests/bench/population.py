"""The hosts that are looked up, and the same hosts as every contestant's file holds them.

Text in, text out: it writes no file.
"""

from __future__ import annotations

import functools
import json
import random
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nss_pyvirt import snapshot

LIFETIME = 7 * 86400
"""Seconds that each lease has left."""

_ROLES = ("web", "db", "ci", "mail", "build", "dev", "ubuntu", "k8s-worker")


@dataclass(frozen=True, slots=True)
class Host:
    """One guest with one IPv4 lease."""

    name: str
    address: str
    mac: str


@functools.cache
def hosts(count: int) -> tuple[Host, ...]:
    """The first `count` hosts, in no order that a table could profit from; always the same."""
    made = [
        Host(
            f"{_ROLES[number % len(_ROLES)]}{number // len(_ROLES) + 1}",
            f"10.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}",
            f"52:54:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
        )
        for number in range(1, count + 1)
    ]
    random.Random(count).shuffle(made)
    return tuple(made)


def unknown_names(count: int) -> list[str]:
    """Names that no host has, of the same shape."""
    return [f"none{number}" for number in range(count)]


def lease_file(guests: Iterable[Host]) -> str:
    """As dnsmasq writes it."""
    expires = int(time.time()) + LIFETIME
    return "".join(f"{expires} {h.mac} {h.address} {h.name} 01:{h.mac}\n" for h in guests)


def libvirt_status(guests: Iterable[Host]) -> str:
    """What libvirt keeps in BRIDGE.status, which libnss_libvirt reads."""
    expires = int(time.time()) + LIFETIME
    return json.dumps(
        [
            {
                "ip-address": host.address,
                "mac-address": host.mac,
                "hostname": host.name,
                "client-id": f"01:{host.mac}",
                "expiry-time": expires,
            }
            for host in guests
        ],
        indent=2,
    )


def libvirt_macs(guests: Iterable[Host]) -> str:
    """What libvirt keeps in BRIDGE.macs, by which libnss_libvirt_guest knows the domains."""
    return json.dumps([{"domain": host.name, "macs": [host.mac]} for host in guests], indent=2)


def neighbours(count: int) -> list[Host]:
    """Machines of the owner's own /etc/hosts: none is a guest."""
    return [Host(f"pc{number}", f"192.0.2.{number}", "") for number in range(1, count + 1)]


def hosts_file(guests: Iterable[Host]) -> str:
    """/etc/hosts, which dnsmasq reads too."""
    return "".join(f"{host.address} {host.name}\n" for host in guests)


def host_table(guests: Sequence[Host]) -> bytes:
    """Our snapshot."""
    now = int(time.time())
    records = [
        snapshot.Host(
            names=(host.name, f"{host.name}.default.internal"),
            addresses=(
                snapshot.Address(
                    family=socket.AF_INET,
                    packed=socket.inet_aton(host.address),
                    expires=now + LIFETIME,
                ),
            ),
        )
        for host in guests
    ]
    return snapshot.encode(records, generation=1, published=now)
