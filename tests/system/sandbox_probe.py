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


SECRETS = (
    *("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/krb5.keytab"),
    *("/etc/wireguard/wg0.conf", "/etc/NetworkManager/system-connections/home.nmconnection"),
    *("/etc/ssh/ssh_host_ed25519_key", "/etc/ssl/private/web.key", "/etc/passwd"),
    *("/boot/secret", "/root/secret", "/run/NetworkManager/system-connections/home.nmconnection"),
    *("/var/backups/shadow.bak", "/var/log/secret", "/var/spool/cron/root", "/var/lib/sss/db"),
    *("/var/lib/NetworkManager/secret_key", "/var/lib/pyvirt/domains/web1/disk.qcow2"),
    *("/var/lib/libvirt/images/vm1.qcow2", "/var/lib/incus/server.key", "/data/vm1.qcow2"),
    *("/srv/secret", "/opt/other/secret", "/var/lib/systemd/credential.secret"),
)


def _read(path: str) -> Callable[[], str]:
    return lambda: Path(path).read_text()


ATTEMPTS: dict[str, Callable[[], object]] = {
    "read a lease file of others": _read("/var/lib/misc/secret.leases"),
    "read another program's folder": _read("/var/lib/NetworkManager/dnsmasq-wlan0.leases"),
    "read the settings": _read("/etc/pyvirt/leasewatch.toml"),
    **{f"read {path}": _read(path) for path in SECRETS},
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

EXPECTED: dict[str, object] = {
    "read a lease file of others": "leases",
    "read another program's folder": "leases",
    "read the settings": "",
    "write /run/leasewatch": "done",
    "write /var/lib/leasewatch": "done",
    "unix socket": "done",
    "IPv6 socket": "done",  # what goes through it needs BPF in control groups to be held up
    **{f"read {path}": "ENOENT" for path in SECRETS},
    "read /var/lib/NetworkManager/secret_key": "",  # an empty file in its place
    "write /etc": "EROFS",
    "write /var/lib/misc": "EROFS",
    "see the host's /tmp": False,
    "IPv4 socket": "EAFNOSUPPORT",
    "packet socket": "EAFNOSUPPORT",
    "writable code": "EPERM",
    "user namespace": "EPERM",
    "open by handle": "EPERM",
}
"""The outcome of each: the first ones are what the service needs."""

if __name__ == "__main__":
    print(json.dumps({name: _outcome(attempt) for name, attempt in ATTEMPTS.items()}))
