"""sd_notify(3): tell the service manager where the service stands. It waits for nobody."""

from __future__ import annotations

import os
import socket
import time


def notify(*lines: str) -> None:
    """Send e.g. `READY=1`, `STATUS=…` to $NOTIFY_SOCKET; without one, or when it fails, nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setblocking(False)
            sock.sendto("\n".join(lines).encode(), address)
    except OSError:  # a manager that does not listen must not stop the service
        return


def reloading() -> None:
    """The message that `Type=notify-reload` asks for; `READY=1` ends the reload."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
