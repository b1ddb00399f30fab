"""What the unit's sandbox refuses: tries it all and prints each outcome, as JSON.

A program by itself, for a copy of the unit (test_systemd.py); it needs nothing of this project.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import socket
from collections.abc import Callable
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_SYS_UNSHARE, _SYS_OPEN_BY_HANDLE_AT = 272, 304  # x86-64


def _outcome(attempt: Callable[[], object]) -> object:
    try:
        return attempt()
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def _system_call(number: int, *arguments: int | None) -> str:
    if ctypes.CDLL(None, use_errno=True).syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")
    return "done"


def _write(path: str) -> str:
    Path(path).write_text("")
    return "done"


def _connect(family: socket.AddressFamily) -> str:
    socket.socket(family).close()
    return "done"


def _map_writable_code() -> str:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    return "done"


ATTEMPTS: dict[str, Callable[[], object]] = {
    "read a lease file of others": lambda: Path("/var/lib/misc/secret.leases").read_text(),
    "read /etc/shadow": lambda: Path("/etc/shadow").read_text(),
    "read root's home": lambda: Path("/root/secret").read_text(),
    "write /run/leasewatch": lambda: _write("/run/leasewatch/probe"),
    "write /var/lib/leasewatch": lambda: _write("/var/lib/leasewatch/probe"),
    "write /etc": lambda: _write("/etc/probe"),
    "write /var/lib/misc": lambda: _write("/var/lib/misc/probe"),
    "see the host's /tmp": lambda: os.path.lexists("/tmp/secret"),
    "unix socket": lambda: _connect(socket.AF_UNIX),
    "IPv6 socket": lambda: _connect(socket.AF_INET6),
    "IPv4 socket": lambda: _connect(socket.AF_INET),
    "packet socket": lambda: _connect(socket.AF_PACKET),
    "writable code": _map_writable_code,
    "user namespace": lambda: _system_call(_SYS_UNSHARE, _CLONE_NEWUSER),
    "open by handle": lambda: _system_call(_SYS_OPEN_BY_HANDLE_AT, -1, None, 0),
}

if __name__ == "__main__":
    print(json.dumps({name: _outcome(attempt) for name, attempt in ATTEMPTS.items()}))
