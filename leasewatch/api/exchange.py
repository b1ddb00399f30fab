"""One call on the service's Varlink socket: blocking, with a deadline for each reply.

It imports little, because each query starts with it: no socket, json or msgspec.
"""

from __future__ import annotations

import _socket
import time
from _json import encode_basestring_ascii
from _struct import pack

from nss_pyvirt import light_json
from nss_pyvirt.errors import UserError

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

TIMEOUT: Final = 5.0
"""Seconds to connect, ask and read a reply, or the next page of a list."""
MAX_REPLY: Final = 256 * 1024 * 1024
"""The most bytes of all replies to a question; 100,000 entries take about 50 MB."""
_LONGEST: Final = 1e9
"""A timeout that is longer is none."""
LIST: Final = b'{"method":"org.pyvirt.LeaseWatch.List","more":true}'
_RESOLVE: Final = '{"method":"org.pyvirt.LeaseWatch.Resolve","parameters":{"query":%s}}'


class NoServiceError(UserError):
    """The service does not listen on the socket, or does not answer in time."""

    code = "unavailable"


def resolve(name: str) -> bytes:
    """The call for what a name or an address answers; raises UserError."""
    try:
        name.encode()
    except UnicodeEncodeError:
        hint = "leasewatch list shows every lease"
        raise UserError("the name is not UTF-8", hint, "invalid") from None
    return (_RESOLVE % encode_basestring_ascii(name)).encode()


def replies(path: str, call: bytes, *, timeout: float = TIMEOUT) -> Iterator[dict[str, Any]]:
    """The parameters of each reply, unchecked; ValueError or KeyError: an error, or no reply.

    Raises NoServiceError, or UserError.
    """
    for message in messages(path, call, timeout=timeout):
        reply = light_json.loads(message.decode())
        if "error" in reply:
            raise ValueError(reply["error"])
        yield reply["parameters"]
        if not reply.get("continues"):
            return


def messages(
    path: str,
    call: bytes,
    *,
    timeout: float = TIMEOUT,
    most: int = MAX_REPLY,
    until: float | None = None,
) -> Iterator[bytes]:
    """Send a call, and yield each message that comes back, without its NUL, until you stop.

    Each may take `timeout` seconds. With `until` (by the monotonic clock; infinite: for ever) they
    come when they come, any number, and end then.

    Raises NoServiceError, or UserError for more than `most` bytes.
    """
    client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        # Without a limit of Python's own, so that it waits in line while many connect at once.
        limit = pack("ll", int(timeout), int(timeout % 1 * 1e6) + 1)
        client.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDTIMEO, limit)
        client.connect(path)
        client.settimeout(timeout)
        client.sendall(call + b"\0")
        yield from _received(client, timeout, most, until)
    except (FileNotFoundError, ConnectionRefusedError):
        from nss_pyvirt.installer.pieces import start_command  # noqa: PLC0415  start-up time

        what = "the leasewatch service is not running"
        raise NoServiceError(what, start_command()) from None
    except OSError as error:
        late = isinstance(error, (TimeoutError, BlockingIOError))
        why = "no answer" if late else error.strerror
        raise NoServiceError(
            f"the leasewatch service does not answer ({why})", "systemctl status leasewatch"
        ) from error
    finally:
        client.close()


def _received(
    client: _socket.socket, timeout: float, most: int, until: float | None
) -> Iterator[bytes]:
    received, size = bytearray(), 0
    deadline = time.monotonic() + timeout if until is None else until
    while True:
        left = max(0.001, deadline - time.monotonic())
        client.settimeout(left if left < _LONGEST else None)
        try:
            piece = client.recv(1 << 20)
        except TimeoutError:
            if until is None:
                raise
            return
        if not piece:
            raise NoServiceError("the leasewatch service ended while it answered")
        *ends, rest = piece.split(b"\0")
        for end in ends:
            yield bytes(received + end)
            received.clear()
            if until is None:
                deadline = time.monotonic() + timeout
        received += rest
        size = size + len(piece) if until is None else len(received)
        if size > most:
            raise UserError(f"the service's reply is over {most} bytes")
