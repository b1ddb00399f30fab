"""The shipped module inside nscd(8), which looks names up for every program and keeps answers.

nscd is Debian's, unpacked by packaging/prepare --test and run in a world alone. What it does to the
answers, and what is done about it, is in nss_pyvirt(8). nsncd, which keeps none, is that of Debian
sid; it runs with the C library of this Debian.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from nss_pyvirt.snapshot import Host
from tests.system.answers import (
    ANSWERS,
    CANONNAME,
    HOST_NOT_FOUND,
    NONAME,
    OURS,
    Libc,
    this_one,
)
from tests.system.lookups import (
    UNSPEC,
    V4,
    V6,
    address,
    furnish,
    publish,
    publish_each_kind,
)
from tests.system.suites import unpacked
from tests.system.world import CHECKOUT, World

NSCD = CHECKOUT / ".cache/nscd/usr/sbin/nscd"
KEEPING = """
enable-cache hosts yes
positive-time-to-live hosts 3600
negative-time-to-live hosts 20
"""
ONLY_NSCD = 'mount --bind /run/files-alone "$0/etc/nsswitch.conf"; exec "$@"'
"""For a program that has no other way to our module than nscd."""


@contextmanager
def nscd(libc: Libc, settings: str, program: str = str(NSCD)) -> Iterator[Libc]:
    """Run nscd; yields a way to ask it alone."""
    world = libc.world
    daemon = [*libc.before, program, "--config-file", "/etc/nscd.conf"]
    world.run(["mkdir", "-p", f"{libc.root}/run/nscd"])
    libc.write("/etc/nscd.conf", settings)
    running = world.spawn([*daemon, "--foreground"])
    try:
        yield _asking(libc, running)
    finally:
        world.run([*daemon, "--shutdown"], check=False)  # it may have crashed
        running.wait(30)


@contextmanager
def nsncd(libc: Libc) -> Iterator[Libc]:
    """Run nsncd; yields a way to ask it alone."""
    running = libc.world.spawn([str(unpacked("sid", "amd64", "nsncd") / "usr/libexec/nsncd")])
    try:
        yield _asking(libc, running)
    finally:
        libc.world.signal(running, signal.SIGTERM)
        running.wait(30)


def _asking(libc: Libc, running: subprocess.Popen[str]) -> Libc:
    """Wait until the daemon listens; returns a way to ask it alone."""

    def listens() -> bool:
        assert running.poll() is None, "it has ended"
        return "/run/nscd/socket" in libc.world.run(["ss", "-xl"]).stdout

    libc.world.wait_for("nscd or nsncd to listen", listens)
    alone = ("unshare", "--mount", "sh", "-ec", ONLY_NSCD, libc.root, *libc.before)
    return Libc(libc.world, libc.root, alone)


@pytest.fixture(scope="module")
def furnished(_namespaces: None) -> Iterator[World]:
    """One world for all tests here, with `hosts: pyvirt`."""
    with closing(World()) as world:
        furnish(world)
        world.run(["tee", "/run/files-alone"], input="hosts: files\n")
        yield world


@pytest.fixture
def libc(furnished: World, tmp_path: Path) -> Libc:
    """The C library of this Debian, with a host of each kind in the table."""
    publish_each_kind(furnished)
    made = this_one(furnished, tmp_path)
    made.set_hosts_line("pyvirt")
    return made


CHANGED_BY_NSCD = {
    # It has no word for "no such family" and "again" ...
    f"getaddrinfo db {V6}": NONAME,
    **{f"getaddrinfo starting {family}": NONAME for family in (UNSPEC, V4, V6)},
    f"gethostbyname2_r db {V6}": HOST_NOT_FOUND,
    f"gethostbyname2_r link {V6}": HOST_NOT_FOUND,
    f"gethostbyname2_r starting {V4}": HOST_NOT_FOUND,
    # ... nor for the interface of a link-local address.
    f"getaddrinfo link {UNSPEC}": "fe80::77 |",
    f"getaddrinfo link {V6}": "fe80::77 |",
}


@pytest.mark.parametrize("shared", ["yes", "no"])
def test_programs_find_names_and_addresses_through_nscd(libc: Libc, shared: str) -> None:
    """Shared: they read in nscd's memory what it has kept."""
    with nscd(libc, f"{KEEPING}shared hosts {shared}\n") as through:
        for _ in range(2):
            assert through.ask(*ANSWERS) == ANSWERS | CHANGED_BY_NSCD


# The answers for a table of each kind, and for this one.
CHANGED = (
    Host(("web1",), (address("10.77.0.50"), address("fd12::50"))),
    Host(("starting",), (address("10.77.0.51"),)),
    Host(("nosuch",), (address("10.77.0.52"),)),
)
AT_ONCE = {
    f"getaddrinfo web1 {UNSPEC}": (f"{OURS} |", "10.77.0.50 fd12::50 |"),
    f"getaddrinfo web1 {V6}": ("fd12::5 |", "fd12::50 |"),
    f"getaddrinfo web1 {V4} {CANONNAME}": ("10.77.0.5 | web1", "10.77.0.50 | web1"),
}
LATER = {
    f"getaddrinfo nosuch {UNSPEC}": (NONAME, "10.77.0.52 |"),
    f"getaddrinfo starting {UNSPEC}": (NONAME, "10.77.0.51 |"),
    f"getaddrinfo web1 {V4}": ("10.77.0.5 |", "10.77.0.50 |"),
    f"gethostbyname2_r web1 {V4}": ("web1 www | 10.77.0.5", "web1 | 10.77.0.50"),
    "gethostbyaddr_r 10.77.0.5": ("web1 www | 10.77.0.5", HOST_NOT_FOUND),
}
BEFORE = {question: said for question, (said, _) in (AT_ONCE | LATER).items()}
AFTER = {question: said for question, (_, said) in (AT_ONCE | LATER).items()}


def test_nscd_returns_a_changed_address_at_once_and_all_else_after_it_is_invalidated(
    libc: Libc,
) -> None:
    with nscd(libc, f"{KEEPING}shared hosts yes\n") as through:
        assert through.ask(*BEFORE) == BEFORE
        publish(libc.world, *CHANGED)
        assert through.ask(*AT_ONCE) == {question: AFTER[question] for question in AT_ONCE}
        libc.world.run([NSCD, "--invalidate", "hosts"])
        assert through.ask(*AFTER) == AFTER


@pytest.mark.long
def test_nscds_cache_expires_by_itself(libc: Libc) -> None:
    """After its 20 s for what was not found, and the 15 s from one of its looks to the next."""
    with nscd(libc, f"{KEEPING}shared hosts yes\n") as through:
        assert through.ask(*BEFORE) == BEFORE
        publish(libc.world, *CHANGED)
        libc.world.wait_for("nscd to forget", lambda: through.ask(*AFTER) == AFTER, 120)


def test_nscd_that_keeps_no_hosts_changes_nothing(libc: Libc) -> None:
    with nscd(libc, "enable-cache hosts no\n"):
        assert libc.ask(*ANSWERS) == ANSWERS
        publish(libc.world, *CHANGED)
        assert libc.ask(*AFTER) == AFTER


LIBVIRT = "/var/lib/libvirt/dnsmasq"
STARTING = f"""
set -e
mkdir -p {LIBVIRT}
rm -f {LIBVIRT}/virbr0.status
echo interface=virbr0 >{LIBVIRT}/lab.conf
echo '[{{"domain": "vm1", "macs": ["52:54:00:00:00:03"]}}]' >{LIBVIRT}/virbr0.macs
"""
LEASED = f"""
set -e
echo '[{{"ip-address": "10.77.0.53", "mac-address": "52:54:00:00:00:03",' \\
    '"expiry-time": '$(($(date +%s) + 3600))'}}]' >{LIBVIRT}/new
mv {LIBVIRT}/new {LIBVIRT}/virbr0.status
"""


def test_a_look_up_through_nscd_waits_for_a_domain_that_has_just_started(libc: Libc) -> None:
    _waits(libc, nscd(libc, KEEPING))


def _waits(libc: Libc, daemon: AbstractContextManager[Libc]) -> None:
    world = libc.world
    world.run(["sh", "-c", STARTING])
    service = world.serve()
    with daemon as through:
        asking = world.spawn(["getent", "ahostsv4", "vm1"])
        world.wait_for(
            "the lookup to wait",
            lambda: "pending.sock" in world.run(["ss", "-xa", "state", "connected"]).stdout,
        )
        assert asking.poll() is None
        world.run(["sh", "-c", LEASED])
        assert asking.wait(30) == 0
        question = f"getaddrinfo vm1 {UNSPEC}"
        assert through.ask(question) == {question: "10.77.0.53 |"}
    world.signal(service, signal.SIGTERM)
    service.wait(30)


CHANGED_BY_NSNCD = {
    # Its answer to getaddrinfo() has no such words either, nor the interface.
    f"getaddrinfo db {V6}": NONAME,
    **{f"getaddrinfo starting {family}": NONAME for family in (UNSPEC, V4, V6)},
    f"getaddrinfo link {UNSPEC}": "fe80::77 |",
    f"getaddrinfo link {V6}": "fe80::77 |",
}


@pytest.mark.long
def test_programs_find_names_and_addresses_through_nsncd_which_keeps_nothing(libc: Libc) -> None:
    with nsncd(libc) as through:
        assert through.ask(*ANSWERS) == ANSWERS | CHANGED_BY_NSNCD
        assert through.ask(*BEFORE) == BEFORE
        publish(libc.world, *CHANGED)
        assert through.ask(*AFTER) == AFTER


@pytest.mark.long
def test_a_look_up_through_nsncd_waits_for_a_domain_that_has_just_started(libc: Libc) -> None:
    _waits(libc, nsncd(libc))
