"""Every question of a furnished world (lookups.py), the answers, and programs that ask them.

Of any C library: that is what the tests that use this differ in.
"""

from __future__ import annotations

import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.csrc.building import compile_c
from tests.system.lookups import UNSPEC, V4, V6
from tests.system.world import World

SOURCE = Path(__file__).with_name("answers.c")


@dataclass(frozen=True, slots=True)
class Libc:
    """A C library in a world, below `root`, with answers.c built for it at /run/answers."""

    world: World
    root: str = ""
    before: tuple[str, ...] = ()
    """The program with arguments that starts one of this library."""
    env: dict[str, str] = field(default_factory=dict)

    def run(
        self, *argv: str, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`World.run`, of one of its programs."""
        return self.world.run([*self.before, *argv], env=self.env, check=check, input=stdin)

    def set_hosts_line(self, line: str) -> None:
        """Say in its nsswitch.conf which modules are asked."""
        self.write("/etc/nsswitch.conf", f"hosts: {line}\n")

    def write(self, path: str, text: str) -> None:
        """Write a file where its programs see it as `path`."""
        self.world.run(["tee", f"{self.root}{path}"], input=text)

    def ask(self, *questions: str) -> dict[str, str]:
        """What tests/system/answers.c says of each, the addresses sorted."""
        said = self.run("/run/answers", stdin="".join(f"{question}\n" for question in questions))
        answers = [_sorted(line) for line in said.stdout.splitlines()]
        return dict(zip(questions, answers, strict=True))


def _sorted(line: str) -> str:
    """getaddrinfo() sorts as routes are, which is not ours."""
    addresses, bar, canonical = line.partition("|")
    return " ".join(sorted(addresses.split())) + f" |{canonical}" if bar else line


def this_one(world: World, folder: Path, *, word: str = "-m64", path: str = "") -> Libc:
    """The C library of this Debian, of that word and with modules of that folder first."""
    program = compile_c(folder / "answers", ("gcc", word, "-O2"), SOURCE)
    world.run(["install", "-m", "0755", program, "/run/answers"])
    return Libc(world, env={"LD_LIBRARY_PATH": path} if path else {})


NONAME, AGAIN, NODATA = (
    f"EAI {int(code)}" for code in (socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_NODATA)
)
HOST_NOT_FOUND, TRY_AGAIN, NO_DATA = "h_errno 1", "h_errno 2", "h_errno 4"  # <netdb.h>
CANONNAME, V4MAPPED = int(socket.AI_CANONNAME), int(socket.AI_V4MAPPED)
OURS = "10.77.0.5 fd12::5"
MANY = [f"10.9.0.{i}" for i in range(1, 33)]  # more than glibc's first buffer of 1,024 bytes

ANSWERS = {
    f"getaddrinfo web1 {UNSPEC}": f"{OURS} |",
    f"getaddrinfo WWW. {UNSPEC} {CANONNAME}": f"{OURS} | web1",
    f"getaddrinfo web1 {V4}": "10.77.0.5 |",
    f"getaddrinfo www {V4} {CANONNAME}": "10.77.0.5 | web1",
    f"getaddrinfo web1 {V6}": "fd12::5 |",
    f"getaddrinfo www {V6} {CANONNAME}": "fd12::5 | web1",
    f"getaddrinfo db {V6}": NODATA,
    f"getaddrinfo db {V6} {V4MAPPED}": "::ffff:10.77.0.6 |",
    f"getaddrinfo link {UNSPEC}": "fe80::77%lab0 |",
    f"getaddrinfo link {V6}": NODATA,  # glibc asks in a way that has no room for a scope
    f"getaddrinfo both {UNSPEC}": "10.77.0.9 |",  # nothing link-local beside better
    f"getaddrinfo many {UNSPEC}": f"{' '.join(sorted(MANY))} |",
    f"getaddrinfo many {V4} {CANONNAME}": f"{' '.join(sorted(MANY))} | many",
    **{f"getaddrinfo nosuch {family}": NONAME for family in (UNSPEC, V4, V6)},
    **{f"getaddrinfo starting {family}": AGAIN for family in (UNSPEC, V4, V6)},
    f"gethostbyname2_r www {V4}": "web1 www | 10.77.0.5",
    f"gethostbyname2_r web1 {V6}": "web1 www | fd12::5",
    f"gethostbyname2_r many {V4}": f"many | {' '.join(MANY)}",
    f"gethostbyname2_r db {V6}": NO_DATA,
    f"gethostbyname2_r link {V6}": NO_DATA,
    f"gethostbyname2_r nosuch {V4}": HOST_NOT_FOUND,
    f"gethostbyname2_r starting {V4}": TRY_AGAIN,
    "gethostbyaddr_r 10.77.0.5": "web1 www | 10.77.0.5",
    "gethostbyaddr_r fd12::5": "web1 www | fd12::5",
    "gethostbyaddr_r ::ffff:10.77.0.5": "web1 www | ::ffff:10.77.0.5",
    "gethostbyaddr_r 10.77.0.66": HOST_NOT_FOUND,
    "getnameinfo 10.77.0.5": "web1",
    "getnameinfo fd12::5": "web1",
    "getnameinfo 10.77.0.66": NONAME,
}
GETENT = {
    # exit status and the first and second words of each line
    "hosts web1": (0, ["fd12::5 web1"]),
    "hosts WWW": (0, ["fd12::5 web1"]),
    "hosts db": (0, ["10.77.0.6 db"]),
    "hosts many": (0, [f"10.9.0.{i} many" for i in range(1, 33)]),
    "hosts 10.77.0.5": (0, ["10.77.0.5 web1"]),
    "hosts fd12::5": (0, ["fd12::5 web1"]),
    "hosts ::ffff:10.77.0.5": (0, ["::ffff:10.77.0.5 web1"]),
    "hosts fe80::77": (0, ["fe80::77 link"]),
    "hosts 10.77.0.66": (2, []),
    "hosts fe80::77%lab0": (2, []),
    "hosts nosuch": (2, []),
    "hosts we b": (2, []),
    "ahosts web1": (0, ["10.77.0.5 STREAM", "10.77.0.5 DGRAM", "10.77.0.5 RAW"]),
    "ahosts nosuch": (2, []),
    "ahosts starting": (2, []),
    "ahostsv4 web1": (0, ["10.77.0.5 STREAM", "10.77.0.5 DGRAM", "10.77.0.5 RAW"]),
    "ahostsv6 db": (2, []),
    "-s pyvirt hosts web1": (0, ["fd12::5 web1"]),
    "-s hosts:files hosts web1": (0, ["fd99::1 web1"]),
    "hosts": (0, []),  # a list of all hosts: ours has none, see `leasewatch list`
}
