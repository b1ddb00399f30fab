"""What the sandbox of QEMU refuses: tries it all, as a QEMU could that a guest has taken over.

It starts itself in the sandbox of a domain, beside the QEMU with the pid that is its argument, and
prints each outcome as JSON. The sandbox has /usr alone, so it needs nothing of this project there.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

PORT, ABSTRACT = 4711, "\0pyvirt-probe"
SECRETS = ("/etc/shadow", "/etc/passwd", "/root", "/run/pyvirt", "/var/lib/pyvirt", "/proc")
_ATTACH = 16  # linux/ptrace.h


def _outcome(attempt: Callable[[], object]) -> object:
    try:
        return attempt()
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def _libc(name: str, *arguments: int | bytes | None) -> str:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "")
    return "done"


def _connect(family: socket.AddressFamily, address: object) -> str:
    with socket.socket(family) as client:
        client.connect(address)  # type: ignore[arg-type]
    return "done"


def _write(path: str) -> str:
    Path(path).write_text("")
    return "done"


def _open(path: str) -> Callable[[], object]:
    return lambda: os.open(path, os.O_RDONLY)


def attempts(other: int) -> dict[str, Callable[[], object]]:
    """`other`: the pid of another domain's QEMU, as the host sees it."""
    return {
        **{f"open {path}": _open(path) for path in SECRETS},
        "its folders": lambda: sorted(set(os.listdir("/")) - {"bin", "sbin", "lib32"}),  # noqa: PTH208
        "its devices": lambda: os.listdir("/dev"),  # noqa: PTH208
        "its files": lambda: os.listdir("/etc"),  # noqa: PTH208
        "read what it was given": lambda: Path("/closed").read_text(),
        "write what it was given": lambda: _write("/closed"),
        "write /": lambda: _write("/probe"),
        "its pid": os.getpid,
        "signal the other": lambda: os.kill(other, 9),
        "signal all": lambda: os.kill(-1, 9),
        "trace the other": lambda: _libc("ptrace", _ATTACH, other, None, None),
        "an open file of the other": lambda: os.pidfd_open(other),
        "the host's TCP": lambda: _connect(socket.AF_INET, ("127.0.0.1", PORT)),
        "the network's TCP": lambda: _connect(socket.AF_INET, ("10.77.0.1", PORT)),
        "the host's abstract sockets": lambda: _connect(socket.AF_UNIX, ABSTRACT),
        "a packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
        "root": lambda: os.setuid(0),
        "a mount": lambda: _libc("mount", b"none", b"/usr", b"tmpfs", 0, None),
        "another root folder": lambda: os.chroot("/usr"),
        "the host's name": lambda: _libc("sethostname", b"x", 1),
        "its environment": lambda: sorted(set(os.environ) - {"LC_CTYPE"}),
        "its descriptors": _descriptors,
    }


def _descriptors() -> list[int]:
    found = []
    for fd in range(256):
        try:
            os.fstat(fd)
        except OSError:
            continue
        found.append(fd)
    return found


EXPECTED: dict[str, object] = {
    **{f"open {path}": "ENOENT" for path in SECRETS},
    "its folders": ["closed", "dev", "etc", "lib", "lib64", "probe.py", "usr"],
    "its devices": ["null"],
    "its files": ["ld.so.cache"],
    "read what it was given": "closed to others",
    "write what it was given": "EACCES",
    "write /": "EACCES",
    "its pid": 1,
    "signal the other": "ESRCH",
    "signal all": "ESRCH",
    "trace the other": "ESRCH",
    "an open file of the other": "ESRCH",
    "the host's TCP": "ENETUNREACH",
    "the network's TCP": "ENETUNREACH",
    "the host's abstract sockets": "ECONNREFUSED",
    "a packet socket": "EPERM",
    "root": "EPERM",
    "a mount": "EPERM",
    "another root folder": "EPERM",
    "the host's name": "EPERM",
    "its environment": ["PATH"],
    "its descriptors": [0, 1, 2],
}


def _run(other: str) -> int:
    from leasewatch.pyvirt.domains import sandbox  # noqa: PLC0415  # not in the sandbox

    closed = Path("/run/closed")
    closed.write_text("closed to others")
    closed.chmod(0o600)
    with socket.socket() as server, socket.socket(socket.AF_UNIX) as abstract:
        server.bind(("", PORT))
        server.listen()
        abstract.bind(ABSTRACT)
        abstract.listen()
        child = sandbox.spawn(
            ["/usr/bin/python3", "-I", "/probe.py", other, "inside"],
            [None, 1, 2],
            account=sandbox.account(kvm=False),
            files={"probe.py": Path(__file__), "closed": closed},
        )
        return child.reap()


if __name__ == "__main__":
    if sys.argv[2:]:
        tried = attempts(int(sys.argv[1]))
        print(json.dumps({name: _outcome(attempt) for name, attempt in tried.items()}))
    else:
        sys.exit(_run(sys.argv[1]))
