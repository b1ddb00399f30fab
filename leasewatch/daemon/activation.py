"""sd_listen_fds(3): the sockets that systemd has made for this process.

Call `inherited` once: it takes the variables out of the environment, as no child is meant.
"""

from __future__ import annotations

import os
import socket
from typing import Final

_FIRST: Final = 3


def inherited() -> dict[str, socket.socket]:
    """The listening Unix stream sockets, by FileDescriptorName=; others are left alone."""
    pid = os.environ.pop("LISTEN_PID", "")
    count = os.environ.pop("LISTEN_FDS", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not (count.isascii() and count.isdigit()):
        return {}
    found: dict[str, socket.socket] = {}
    for fd, name in zip(range(_FIRST, _FIRST + int(count)), names, strict=False):
        try:
            sock = socket.socket(fileno=fd)
        except OSError:
            continue
        sock.set_inheritable(False)
        if name not in found and _listens(sock):
            found[name] = sock
        else:
            sock.detach()
    return found


def _listens(sock: socket.socket) -> bool:
    is_stream = (sock.family, sock.type) == (socket.AF_UNIX, socket.SOCK_STREAM)
    return is_stream and bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
