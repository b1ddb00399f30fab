"""sd_notify(3): report the state of this process to the program that started it."""

from __future__ import annotations

import os
from typing import Final

DESCRIPTOR: Final = "PYVIRT_NOTIFY_FD"
"""Environment variable: an inherited descriptor to write to, if systemd does not run."""
_PATIENCE: Final = 2
"""Seconds. Any local user may write to a service manager's socket and fill its queue."""


def notify(*lines: str, patience: int = _PATIENCE) -> None:
    """Send e.g. `READY=1`, `STATUS=…` to $PYVIRT_NOTIFY_FD, else to $NOTIFY_SOCKET.

    Without either, or if it fails, it does nothing. It waits at most `patience` seconds for room.
    """
    message = "\n".join(lines).encode()
    address = os.environ.get("NOTIFY_SOCKET", "")
    try:
        if DESCRIPTOR in os.environ:
            os.write(int(os.environ[DESCRIPTOR]), message + b"\n")
        elif address.startswith(("/", "@")):
            _send(message, address, patience)
    except (OSError, ValueError):  # a deaf service manager must not stop the service
        return


def _send(message: bytes, address: str, patience: int) -> None:
    import socket  # noqa: PLC0415  # pyvirt's commands do without
    import struct  # noqa: PLC0415

    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        # The kernel's wait keeps the senders in order; Python's timeout would poll.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", patience, 0))
        sock.sendto(message, address)
