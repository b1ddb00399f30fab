"""`leasewatch connect HOST PORT`: ssh's ProxyCommand, which waits for a guest that boots."""

from __future__ import annotations

import _socket  # socket takes 7 ms
import os
import stat
import sys
import time

from leasewatch.api.exchange import NoServiceError
from leasewatch.cli import ask, waiting
from leasewatch.paths import Paths
from leasewatch.reach import ports
from leasewatch.reach.addresses import Awaited
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param


@commands.command(
    Param("host", required=True, complete=ask.complete_name),
    Param("port", required=True, kind=commands.whole_number(1, 65535)),
    Param(
        "--timeout",
        kind=commands.seconds,
        metavar="TIME",
        help="How long to wait for a host that leasewatch knows.  [default: until 5 minutes after "
        "the start of a domain of pyvirt; other hosts are not waited for]",
    ),
    epilog=frame.examples(
        "ssh -o ProxyCommand='leasewatch connect %h %p' -o ProxyUseFdpass=yes web1",
    ),
)
def command(paths: Paths, host: str, port: int, timeout: int | None) -> None:
    """Connect to a TCP port, and pass the connection to ssh.

    For ssh's ProxyCommand with "ProxyUseFdpass yes". Waits until a guest that has just been started
    has an address and its port answers. Any other host is connected to as ssh would.
    """
    out = _stdout()
    deadline = None
    if timeout is None:
        deadline = waiting.boots_until(paths, host, waiting.BOOT)
    elif Awaited(paths, host, 0).is_known():
        deadline = time.monotonic() + timeout
    made = _awaited(paths, host, port, deadline) if deadline else _connected(host, port)
    made.setsockopt(_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, 1)  # ssh does so only for its own
    descriptor = made.fileno().to_bytes(4, sys.byteorder)
    out.sendmsg([b"\0"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptor)])


def _stdout() -> _socket.socket:
    """The socket by which ssh gets the connection; UserError if stdout is something else."""
    try:
        if stat.S_ISSOCK(os.fstat(1).st_mode):
            out = _socket.socket(fileno=os.dup(1))
            if out.family == _socket.AF_UNIX:
                return out
    except OSError:
        pass
    what = "stdout is no socket of ssh's"
    hint = "ssh -o ProxyCommand='leasewatch connect %h %p' -o ProxyUseFdpass=yes HOST"
    raise UserError(what, hint, "usage", exit_code=2)


def _awaited(paths: Paths, host: str, port: int, deadline: float) -> _socket.socket:
    """A connection, once there is one; what is there now if there is no service."""
    try:
        with waiting.Shown(host) as shown:
            return ports.connect(Awaited(paths, host, deadline), port, shown)[0]
    except NoServiceError:
        return _connected(host, port)


def _connected(host: str, port: int) -> _socket.socket:
    """A connection to the first address that takes it, in the order of getaddrinfo."""
    try:
        found = _socket.getaddrinfo(host, port, 0, _socket.SOCK_STREAM)
    except (_socket.gaierror, UnicodeError) as error:
        why = error.strerror if isinstance(error, _socket.gaierror) else "not a host name"
        raise UserError(f"{host}: {why}", code="not-found") from None
    fault = ""
    for family, kind, protocol, _, place in found:
        made = _socket.socket(family, kind, protocol)
        try:
            made.connect(place)
        except OSError as error:
            made.close()
            fault = f"{host}: address {place[0]}, port {port}: {error.strerror}"
        else:
            return made
    raise UserError(fault, code="unavailable")
