"""What the checks learn from other programs: their files, their sockets, what they print."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from leasewatch.doctor.port53 import Listener, listeners
from leasewatch.paths import Paths
from nss_pyvirt import programs
from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import pieces

DEADLINE: Final = 5.0
"""Seconds that a program may take."""
_CHANGELOGS: Final = ("changelog.Debian.gz", "changelog.gz")


class ResolveHook(NamedTuple):
    """systemd-resolved, and how many of the socket units of its hook are there."""

    runs: bool
    systemd: int
    """Version; 0: not known."""
    installed: int
    enabled: int
    listening: int


class OtherPrograms:
    """The part of `host.Host` that is not about leasewatch and pyvirt."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.is_root = os.geteuid() == 0

    @cached_property
    def hosts_file(self) -> list[str]:
        """The lines of /etc/hosts."""
        return read_text(self.paths.root / "etc/hosts").splitlines()

    @cached_property
    def port53(self) -> list[Listener]:
        """Who listens on port 53. Only root sees the programs."""
        found: list[Listener] = []
        for table in ("udp", "udp6", "tcp", "tcp6"):
            found += listeners(read_text(Path("/proc/net", table)), table)
        holders = _holders({one.inode for one in found}) if self.is_root and found else {}
        return [one._replace(program=holders.get(one.inode, "")) for one in found]

    @cached_property
    def nscd(self) -> str:
        """The program that looks names up for glibc; empty: none, `?`: unknown."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(DEADLINE)
            try:
                sock.connect(str(self.paths.root / "run/nscd/socket"))
                peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            except OSError:
                return ""
        (pid, _, _) = struct.unpack("=iII", peer)
        return read_text(Path("/proc", str(pid), "comm")).strip() or "?"

    @cached_property
    def nscd_settings(self) -> str:
        """nscd.conf(5)."""
        return read_text(self.paths.root / "etc/nscd.conf")

    @cached_property
    def resolve_hook(self) -> ResolveHook:
        """What systemd-resolved has of our hook."""
        system = pieces.this_system(self.paths.root)
        # What systemd keeps of each active unit, for every user to see
        active = self.paths.root / "run/systemd/units/invocation:systemd-resolved.service"
        hooks = self.paths.root / pieces.HOOKS[1:]
        return ResolveHook(
            runs=active.is_symlink(),
            systemd=pieces.systemd_version(self.paths.root),
            installed=sum(system.at(place).exists() for place in pieces.SOCKETS.values()),
            enabled=sum(pieces.boot_link(system, unit).is_symlink() for unit in pieces.SOCKETS),
            listening=sum(1 for _ in hooks.glob("*-pyvirt-*")),
        )

    def ssh(self, name: str) -> dict[str, str] | None:
        """What `ssh -G` prints for a host; None: there is no ssh. UserError if it fails."""
        try:
            programs.find("ssh")
        except UserError:
            return None
        done = programs.run(["ssh", "-G", "--", name], timeout=DEADLINE)
        if done.returncode:
            raise UserError((done.stderr.strip().splitlines() or ["ssh -G fails"])[0])
        lines = (line.partition(" ") for line in done.stdout.splitlines())
        return {key: value for key, _, value in lines}

    @cached_property
    def dnsmasq(self) -> str:
        """The first line of `dnsmasq --version`; empty: it is not installed."""
        try:
            done = programs.run(["dnsmasq", "--version"], timeout=DEADLINE)
        except UserError:
            return ""
        return (done.stdout.splitlines() or [""])[0]

    @cached_property
    def dnsmasq_changelog(self) -> str:
        """What the distribution says that it has changed in dnsmasq."""
        import gzip  # noqa: PLC0415

        for name in _CHANGELOGS:
            with contextlib.suppress(OSError, EOFError):
                path = f"/usr/share/doc/dnsmasq-base/{name}"
                with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
                    return str(file.read())
        return ""

    def getent(self, name: str, *options: str) -> list[str]:
        """The addresses that a fresh process gets for a name, each once; UserError if it hangs."""
        done = programs.run(["getent", *options, "ahosts", "--", name], timeout=DEADLINE)
        fields = (line.split() for line in done.stdout.splitlines())
        return list(dict.fromkeys(words[0] for words in fields if words))

    def known_keys(self, name: str, file: str) -> set[str]:
        """The host keys that a known_hosts file has for a name."""
        path = Path(file).expanduser()
        if not os.access(path, os.R_OK):
            return set()
        argv = ["ssh-keygen", "-F", name, "-f", str(path)]
        lines = programs.run(argv, timeout=DEADLINE).stdout.splitlines()
        return {" ".join(line.split()[1:3]) for line in lines if line[:1] not in {"#", "@"}}

    def frames_from(self, tap: str) -> int | None:
        """How many frames a guest has sent; None: it has no such card now."""
        text = read_text(Path("/sys/class/net", tap, "statistics/rx_packets"))
        return int(text) if text else None


def read_text(path: Path) -> str:
    """A file's text; empty if it cannot be read."""
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace")
    return ""


def _holders(inodes: set[int]) -> dict[int, str]:
    """By socket, `NAME (pid N)` of a process that has it."""
    found: dict[int, str] = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            for fd in (process / "fd").iterdir():
                target = str(fd.readlink())
                inode = int(target[8:-1]) if target.startswith("socket:[") else -1
                if inode in inodes:
                    found[inode] = f"{read_text(process / 'comm').strip()} (pid {process.name})"
    return found
