"""The files that contestants read, in each state, and the DNS servers that peers ask.

Every state waits in a folder `bench` beside its target, thus on one file system with it: nssbench
links it into place for a turn. Runs in a world of its own (packaging/world).
"""

from __future__ import annotations

import contextlib
import functools
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.bench import population
from tests.bench.timing import BenchError

States = Mapping[Path, Path]
"""Target -> the state that it shall have."""

_SNAPSHOT = Path("/run/leasewatch/hosts.v1")
_LIBVIRT = Path("/var/lib/libvirt/dnsmasq")
_HOSTS = Path("/etc/hosts")
_SERVICES = Path("/etc/nsswitch.conf")
_RESOLVER = Path("/etc/resolv.conf")


def _state(target: Path, variant: str, content: str | bytes) -> States:
    folder = target.parent / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / f"{target.name}.{variant}"
    state.write_bytes(content.encode() if isinstance(content, str) else content)
    state.chmod(0o644)
    return {target: state}


@functools.cache
def host_table(count: int) -> States:
    """Our snapshot of `count` hosts."""
    return _state(_SNAPSHOT, f"{count}", population.host_table(population.hosts(count)))


@functools.cache
def libvirt(count: int) -> States:
    """The files of one libvirt network with `count` leases, each of a domain."""
    guests = population.hosts(count)
    status = _state(_LIBVIRT / "virbr0.status", f"{count}", population.libvirt_status(guests))
    macs = _state(_LIBVIRT / "virbr0.macs", f"{count}", population.libvirt_macs(guests))
    return {**status, **macs}


@functools.cache
def hosts_file(count: int) -> States:
    """/etc/hosts with `count` lines; 0 for the two lines of a fresh machine."""
    fresh = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n"
    lines = population.hosts_file(population.hosts(count)) if count else fresh
    return _state(_HOSTS, f"{count}", lines)


@functools.cache
def neighbours_file(lines: int) -> States:
    """/etc/hosts with so many lines, none of them of a guest."""
    text = population.hosts_file(population.neighbours(lines))
    return _state(_HOSTS, f"neighbours.{lines}", text)


@functools.cache
def services(line: str) -> States:
    """nsswitch.conf with this `hosts:` line."""
    return _state(_SERVICES, line.replace(" ", "-"), f"hosts: {line}\n")


@functools.cache
def resolver(server: str) -> States:
    """resolv.conf that names one DNS server."""
    text = f"nameserver {server}\noptions timeout:1 attempts:2\n"
    return _state(_RESOLVER, server, text)


def put(files: States) -> None:
    """Every target gets its state, for programs that nssbench does not start."""
    for target, state in files.items():
        target.unlink(missing_ok=True)
        target.hardlink_to(state)


def dns_server(count: int) -> str:
    """The address of the one that serves `count` hosts."""
    return f"127.0.0.{1 + len(str(count))}"


def keys(what: str, lines: Sequence[str]) -> Path:
    """A file of what a contestant looks up."""
    (state,) = _state(Path("/run/bench/keys"), what, "".join(f"{x}\n" for x in lines)).values()
    return state


@contextlib.contextmanager
def put_back() -> Iterator[None]:
    """Every target as it was before, for what is measured after.

    libvirt's too: the service would find them and serve its leases.
    """
    libvirts = (_LIBVIRT / "virbr0.status", _LIBVIRT / "virbr0.macs")
    targets = (_SNAPSHOT, _HOSTS, _SERVICES, _RESOLVER, *libvirts)
    before = {target: target.read_bytes() for target in targets if target.exists()}
    yield
    for target in targets:
        target.unlink(missing_ok=True)  # a link to one of the states
        if target in before:
            target.write_bytes(before[target])


@contextlib.contextmanager
def dns_servers(counts: Sequence[int]) -> Iterator[None]:
    """A dnsmasq on loopback for each number of hosts, which it serves."""
    with contextlib.ExitStack() as running:
        for count in counts:
            (table,) = hosts_file(count).values()
            running.enter_context(_dnsmasq(dns_server(count), table))
        yield


@contextlib.contextmanager
def _dnsmasq(address: str, table: Path) -> Iterator[None]:
    ready = Path(f"/run/bench/dnsmasq.{address}.pid")
    ready.parent.mkdir(exist_ok=True)
    ready.unlink(missing_ok=True)
    server = subprocess.Popen(
        [
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root"),
            *(f"--listen-address={address}", "--bind-interfaces", "--no-resolv", "--no-hosts"),
            *(f"--addn-hosts={table}", f"--pid-file={ready}"),
        ]
    )
    try:
        deadline = time.monotonic() + 10
        while not ready.exists():  # written once it listens
            if server.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"dnsmasq did not start on {address}")
            time.sleep(0.01)
        yield
    finally:
        server.terminate()
        server.wait()
