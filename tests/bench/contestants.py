"""Who looks up what, and how: ours and its peers, as lines of nssbench's plan. Measures nothing."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from tests.bench import population, states
from tests.bench.counts import Counts
from tests.bench.harness import Call, Contestant

_PEERS_MOST = 10_000
"""Peers read all their hosts at each lookup: these are enough."""

WORLD = "pyvirt-world"
"""The host name of packaging/world."""

_KEYS = 20_000  # different names at most: more than all turns of a run look up


@dataclass(frozen=True, slots=True)
class Module:
    """What looks up: glibc's `library` has the entry points of `prefix`.

    `cost` is a rough µs at no hosts and per host.
    """

    prefix: str
    library: str
    cost: tuple[float, float]


PYVIRT = Module("pyvirt", "libnss_pyvirt.so.2", (5.0, 0.0))
LIBVIRT = Module("libvirt", "libnss_libvirt.so.2", (12.0, 0.42))
LIBVIRT_GUEST = Module("libvirt_guest", "libnss_libvirt_guest.so.2", (17.0, 0.65))
FILES = Module("files", "libc.so.6", (4.0, 0.06))
DNS = Module("dns", "libc.so.6", (50.0, 0.0))
MYHOSTNAME = Module("myhostname", "libnss_myhostname.so.2", (50.0, 0.0))


@dataclass(frozen=True, slots=True)
class Kind:
    """One row: how a contestant looks up."""

    what: str
    module: Module
    call: Call = "name4"
    keys: str = "names"
    hit: bool = True
    services: str = ""
    """The hosts: line of nsswitch.conf, for getaddrinfo."""


def whole(services: str, module: Module, keys: str = "names") -> Kind:
    """A whole getaddrinfo; `module` is who answers."""
    return Kind(f"getaddrinfo, hosts: {services}", module, "getaddrinfo", keys, services=services)


def contestant(
    label: str, kind: Kind, hosts: int, turn_us: float, *, lines: int = 0, threads: int = 0
) -> Contestant:
    """`kind` among so many hosts; with `lines`, /etc/hosts has so many, none of a host."""
    base, per_host = kind.module.cost
    return Contestant(
        label=label,
        call=kind.call,
        keys=_keys(kind.keys, hosts, lines),
        calls=max(3, threads, round(turn_us / (base + per_host * (lines or hosts)))),
        threads=threads,
        library=kind.module.library,
        prefix=kind.module.prefix,
        files=files(kind, hosts, lines),
        hit=kind.hit,
    )


def files(kind: Kind, hosts: int, lines: int = 0) -> states.States:
    """What it reads."""
    return {**_data(kind.module, hosts, lines), **states.services(kind.services or "files")}


def _data(module: Module, hosts: int, lines: int) -> states.States:
    own = states.neighbours_file(lines) if lines else states.hosts_file(0)
    match module.prefix:
        case "pyvirt":
            return {**states.host_table(hosts), **own}
        case "libvirt" | "libvirt_guest":
            return {**states.libvirt(hosts), **own}
        case "files":
            return own if lines else states.hosts_file(hosts)
        case "dns":
            return {**states.resolver(states.dns_server(hosts)), **own}
        case _:
            return own


def sizes(module: Module, counts: Counts) -> list[int]:
    """The numbers of hosts that it is measured with."""
    match module.prefix:
        case "pyvirt":
            return list(counts.hosts)
        case "myhostname":
            return [counts.hosts[0]]
        case _:
            return peer_sizes(counts)


def peer_sizes(counts: Counts) -> list[int]:
    """Those of whom is compared with us."""
    return [size for size in counts.hosts if size <= _PEERS_MOST]


@functools.cache
def _keys(what: str, hosts: int, lines: int) -> Path:
    guests = population.hosts(hosts)[:_KEYS]
    keys = {
        "names": [host.name for host in guests],
        "one name": [guests[0].name],
        "addresses": [host.address for host in guests],
        "one address": [guests[0].address],
        "unknown names": population.unknown_names(len(guests)),
        "one unknown name": population.unknown_names(1),
        "own name": [WORLD],
        "neighbours": [host.name for host in population.neighbours(lines)],
    }[what]
    return states.keys(f"{what}.{hosts}.{lines}".replace(" ", "-"), keys)
