"""A dnsmasq lease file that never rests: what each of its versions says, and who writes them.

`python rewriter.py PATH LEASES START PERIOD WAY PAUSE LEAST` writes version after version until
SIGTERM, LEAST ones at least, PAUSE seconds apart, and prints the number of the last one. Lines
change their length, names their address, addresses their name; leases come and go. Ways to write:

`dnsmasq`: lseek, ftruncate, writes of 4,096 bytes, fsync, in one file that stays open;
`halting`: the same, but now and then the disk holds it up in the middle for 50 ms;
`renamed`: another file is written and renamed into place.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from nss_pyvirt.snapshot import Host

BLOCK = 4096
ENDLESS = 20 * 3600
"""Seconds that a lease without end is published for at least."""


class Versions:
    """What version 0, 1, 2… of a file with `count` leases says; times are from `start` on.

    In each version every `period`-th lease is renewed, and another part of them in the next. What
    a lease does tells its number's last digit: 0 never ends, 1 goes and comes, 2 changes its name,
    3 its address, and the others keep both.
    """

    def __init__(self, count: int, start: int, period: int = 97) -> None:
        self.count = count
        self.start = start
        self.period = period

    @property
    def always(self) -> Sequence[str]:
        """The names that every version has."""
        return [f"vm{n}" for n in range(self.count) if n % 10 not in {1, 2}]

    def lines(self, version: int) -> list[bytes]:
        """The file, newest lease first."""
        return [line for n in range(self.count) if (line := self.line(n, version))]

    def line(self, number: int, version: int) -> bytes:
        """One lease; empty where that version lacks it."""
        renewed = self.renewed(number, version)
        turn = renewed // self.period
        if number % 10 == 1 and turn % 2:
            return b""
        name = f"vm{number}"
        if number % 10 == 2:
            name = f"vm{number}-longer-{turn % 3}" if turn % 3 else name
        expires = self.start + renewed if number % 10 else 0
        moved = number % 10 == 3 and turn % 2
        client = "*" if renewed % 3 else ":".join(["ff", *[f"{number & 255:02x}"] * (turn % 9 + 3)])
        where = address(number, moved=bool(moved))
        return f"{expires} {mac(number)} {where} {name} {client}\n".encode()

    def renewed(self, number: int, version: int) -> int:
        """The version in which the lease was renewed last; 0 for those that it never was."""
        return max(0, version - (version + number) % self.period)

    def hosts(self, version: int) -> dict[str, tuple[str, int]]:
        """What that version says: address and end of each name."""
        said = {}
        for line in self.lines(version):
            expires, _, where, name, _ = line.decode().split()
            said[name] = where, int(expires)
        return said

    def fault(self, host: Host) -> str:
        """Why no version says what this host of a table does; "" if one does."""
        name, _, _ = host.names[0].partition(".")
        number, _, changed = name.removeprefix("vm").partition("-longer-")
        if not number.isdigit() or f"vm{number}" != name.partition("-")[0]:
            return "no such name"
        for found in host.addresses:
            why = self._fault(int(number), changed, ".".join(map(str, found.packed)), found.expires)
            if why:
                return why
        return "" if host.addresses else "no address"

    def _fault(self, number: int, changed: str, where: str, expires: int) -> str:
        if number >= self.count:
            return "no such lease"
        if number % 10 == 0:
            fine = where == address(number) and expires > time.time() + ENDLESS
            return "" if fine else "not the lease without end"
        renewed = expires - self.start
        if renewed < 0 or (renewed and (renewed + number) % self.period):
            return f"never renewed in version {renewed}"
        line = self.line(number, renewed).decode().split()
        if not line:
            return f"version {renewed} has no such lease"
        name = f"vm{number}-longer-{changed}" if changed else f"vm{number}"
        return "" if (line[2], line[3]) == (where, name) else f"version {renewed} says {line}"


def mac(number: int) -> str:
    """The hardware address of a lease's client."""
    return f"52:54:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def address(number: int, *, moved: bool = False) -> str:
    """The address of a lease, in 10.0.0.0/8."""
    octets = number + 256 + (moved << 22)
    return f"10.{octets >> 16}.{octets >> 8 & 255}.{octets & 255}"


class Writer:
    """Writes version after version into one file."""

    def __init__(self, path: Path, versions: Versions, way: str) -> None:
        self._path = path
        self._versions = versions
        self._way = way
        self._lines = [versions.line(n, 0) for n in range(versions.count)]
        self._dice = random.Random(versions.start)
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self.version = 0

    def write_next(self) -> None:
        """Write one version more."""
        self.version += 1
        for n in range(
            -self.version % self._versions.period, len(self._lines), self._versions.period
        ):
            self._lines[n] = self._versions.line(n, self.version)
        content = b"".join(self._lines)
        if self._way == "renamed":
            new = self._path.with_name(f".{self._path.name}.new")
            new.write_bytes(content)
            new.rename(self._path)
        else:
            self._rewrite(content)

    def _rewrite(self, content: bytes) -> None:
        halt = self._dice.randrange(20 * len(content)) if self._way == "halting" else -1
        fd = self._file.fileno()
        os.lseek(fd, 0, os.SEEK_SET)
        os.ftruncate(fd, 0)
        for at in range(0, len(content), BLOCK):
            os.write(fd, content[at : at + BLOCK])
            if at <= halt < at + BLOCK:
                time.sleep(0.05)
        os.fsync(fd)


def main(path: str, count: str, start: str, period: str, way: str, pause: str, least: str) -> None:
    """Write until SIGTERM and until there are `least` versions."""
    over = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal over
        over = True

    signal.signal(signal.SIGTERM, end)
    writer = Writer(Path(path), Versions(int(count), int(start), int(period)), way)
    while not over or writer.version < int(least):
        writer.write_next()
        if float(pause):
            time.sleep(float(pause))
    with contextlib.suppress(BrokenPipeError):
        print(writer.version, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
