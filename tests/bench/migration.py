"""A guest that moves between two hosts: pyvirt beside plain QEMUs that are driven by hand.

Both are timed by the events of their QEMUs, and from the network: the longest gap between the
answers to a ping that is sent every 20 ms. Turns alternate; the guest whose turn it is not stands
still, since both hosts are one machine. Without a limit
the link between them now and then stands still for up to 200 ms, whoever drives (TCP with a closed
window retransmits); so it carries 1 Gbit/s.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from tests.bench import tiny
from tests.bench.counts import Counts
from tests.bench.migration_by_hand import HandGuest, Way
from tests.bench.migration_events import Times, Watch
from tests.bench.table import Row, Table, at_most, duration
from tests.bench.timing import BenchError
from tests.system.domains import pyvirt
from tests.system.guest import GuestFiles
from tests.system.two_hosts import ADDRESSES, TwoHosts, two_hosts

TITLE = "moving a guest of 96 MiB that writes, over 1 Gbit/s: pyvirt by TCP, QEMU 10.0 by hand"
_RATE = "1gbit"
_QEMU = "trixie"
"""QEMU 7.2 loses some of what a guest without KVM writes meanwhile, also by hand."""
_LIMIT = 1.15
_TURNS = 7
_DEADLINE = 120.0
_MULTIFD = ("multifd",)
_CHANNELS = {"multifd-channels": 2}
_SLOW = {"max-bandwidth": 16 << 20, "max-postcopy-bandwidth": 16 << 20}
MODES: dict[str, tuple[Sequence[str], Way]] = {
    "pre-copy": ((), Way()),
    "post-copy": (
        ("--postcopy", "--bandwidth", "16"),
        Way(("postcopy-ram",), _SLOW, switch="at-once"),
    ),
    "post-copy after pre-copy": (
        ("--postcopy-after-precopy", "--bandwidth", "16"),
        Way(("postcopy-ram",), _SLOW, switch="after-precopy"),
    ),
    "xbzrle": (("--compressed",), Way(("xbzrle",))),
    "parallel": (("--parallel",), Way(_MULTIFD, _CHANNELS)),
    "parallel zlib": (
        ("--parallel", "--comp-methods", "zlib"),
        Way(_MULTIFD, {**_CHANNELS, "multifd-compression": "zlib"}),
    ),
    "parallel zstd": (
        ("--parallel", "--comp-methods", "zstd"),
        Way(_MULTIFD, {**_CHANNELS, "multifd-compression": "zstd"}),
    ),
    "auto-converge": (("--auto-converge",), Way(("auto-converge",))),
}


class OurGuest:
    """A domain that goes to and fro."""

    def __init__(self, hosts: TwoHosts, *, tcp: bool = True) -> None:
        self._hosts, self._tcp = hosts, tcp
        self._here, self._there = "kvm1", "kvm2"
        self.address = hosts.boot("web1")

    def move(self, options: Sequence[str]) -> tuple[Times, float]:
        """The times, and the seconds that the command took."""
        worlds = self._hosts.worlds
        files = [worlds[name].root / "run/pyvirt/domains/web1/qmp" for name in self._sides]
        watch = Watch(self._hosts, self.address, files[0], files[1])
        way = ("--address", ADDRESSES[self._there]) if self._tcp else ()
        argv = ["pyvirt", "domain", "migrate", "web1", self._there, *way, *options]
        begun = time.monotonic()
        command = worlds[self._here].spawn(argv, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        watch.follow(lambda: command.poll() is not None)
        said = command.communicate(timeout=_DEADLINE)[1]
        if command.returncode:
            raise BenchError(f"{' '.join(argv)}: {said}")
        took = time.monotonic() - begun
        self._here, self._there = self._there, self._here
        return watch.times(), took

    @contextmanager
    def resting(self) -> Iterator[None]:
        """It stands still meanwhile."""
        world = self._hosts.worlds[self._here]
        pyvirt(world, "domain", "pause", "web1")
        yield
        pyvirt(world, "domain", "resume", "web1")

    @property
    def _sides(self) -> tuple[str, str]:
        return self._here, self._there


def measure(folder: Path, counts: Counts) -> Table:
    """The table; a ratio is the median of the ratios of neighbouring turns."""
    del folder, counts
    tiny.build(Path(__file__).resolve().parents[2])
    rows: list[Row] = []
    with two_hosts(GuestFiles(tiny.kernel().parent)) as hosts:
        hosts.use_qemu(_QEMU)
        hosts.limit_link(_RATE)
        ours, by_hand = OurGuest(hosts), HandGuest(hosts)
        try:
            for guest in (ours, by_hand):
                hosts.dirty(guest.address, 8)  # else it has moved before post-copy begins
            for mode, (options, way) in MODES.items():
                rows += _compare(mode, ours, options, by_hand, way)
        finally:
            by_hand.end()
    return Table(TITLE, rows, {0: "pyvirt", 1: "by hand", 2: "the command"})


def _compare(
    mode: str, ours: OurGuest, options: Sequence[str], by_hand: HandGuest, way: Way
) -> list[Row]:
    pairs: list[tuple[Times, Times]] = []
    commands = []
    for _ in range(_TURNS):
        with by_hand.resting():
            own, took = ours.move(options)
        commands.append(took)
        with ours.resting():
            pairs.append((own, by_hand.move(way)))
        click.echo(
            f"{mode}: pyvirt {own}, the command {took:.2f} s, by hand {pairs[-1][1]}", err=True
        )
    rows = []
    for index, what in enumerate(Times._fields):
        mine, other = ([pair[side][index] for pair in pairs] for side in (0, 1))
        ratio = statistics.median(mine) / statistics.median(other)
        cells = {0: duration(statistics.median(mine)), 1: duration(statistics.median(other))}
        if what == "total":
            cells[2] = duration(statistics.median(commands))
        rows.append(at_most(f"{mode}: {what}", ratio, _LIMIT, "x by hand", cells=cells))
    return rows
