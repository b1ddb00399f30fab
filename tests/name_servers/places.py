"""Where a name server runs: here, in a world, in a network namespace of either."""

from __future__ import annotations

import random
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

Argv = Sequence[str | Path]
_PORTS = range(10_000, 32_000)
"""Below those that the kernel gives to clients (ip_local_port_range)."""


class Place(Protocol):
    """`tests.system.world.World` and `tests.system.writers.Writers` are places too."""

    def run(
        self, argv: Argv, *, check: bool = ..., timeout: float = ...
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end. With `check`, a non-zero exit is an AssertionError."""

    def spawn(self, argv: Argv) -> subprocess.Popen[str]:
        """Start a program. It ends with the process returned, or with this one."""


class _Here:
    """The network and the files of the test itself."""

    def run(
        self, argv: Argv, *, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        shown = f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0 or not check, shown
        return done

    def spawn(self, argv: Argv) -> subprocess.Popen[str]:
        bound = ["setpriv", "--pdeathsig", "KILL", "--", *map(str, argv)]
        return subprocess.Popen(bound, stdin=subprocess.DEVNULL, text=True)


HERE = _Here()


class Namespace:
    """A network namespace of a place, by its name for ip-netns(8)."""

    def __init__(self, name: str, place: Place = HERE) -> None:
        self._enter = ("ip", "netns", "exec", name)
        self._place = place

    def run(
        self, argv: Argv, *, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """See `Place`."""
        return self._place.run([*self._enter, *argv], check=check, timeout=timeout)

    def spawn(self, argv: Argv) -> subprocess.Popen[str]:
        """See `Place`."""
        return self._place.spawn([*self._enter, *argv])


def free_port(address: str = "127.0.0.1") -> int:
    """A port of an address of this process' network that neither UDP nor TCP uses."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(100):
        port = random.choice(_PORTS)  # no secret
        with socket.socket(family, socket.SOCK_DGRAM) as udp, socket.socket(family) as tcp:
            try:
                udp.bind((address, port))
                tcp.bind((address, port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no free port at {address}")
