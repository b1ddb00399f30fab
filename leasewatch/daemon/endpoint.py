"""Where a server of this host alone may listen: `unix:/PATH`, or `ADDRESS:PORT` on loopback.

Text to values; opens nothing.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final, NamedTuple

from leasewatch import addresses

_MOST_BYTES: Final = 107
"""Of a path in a socket's address (unix(7))."""


class Endpoint(NamedTuple):
    """A path, or else an address and a port."""

    path: str
    address: str = ""
    port: int = 0


def parse(text: str) -> Endpoint:
    """The endpoint; raises ValueError with the reason, to be read behind the text."""
    scheme, _, path = text.partition(":")
    if scheme == "unix":
        if not PurePosixPath(path).is_absolute() or "\0" in path:
            raise ValueError("is not unix: and an absolute path")
        if len(path.encode(errors="surrogateescape")) > _MOST_BYTES:
            raise ValueError(f"has a path of more than {_MOST_BYTES} bytes")
        return Endpoint(path)
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host[:1] + host[-1:] == "[]" else host
    if bare == host and ":" in host:
        raise ValueError("needs [ ] around the IPv6 address")
    try:
        address = addresses.parse(bare)
    except ValueError:
        raise ValueError("is neither unix:/PATH nor ADDRESS:PORT") from None
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise ValueError("has no port from 1 to 65535")
    if address[:1] != b"\x7f" and address != bytes(15) + b"\1":
        raise ValueError("is no loopback address: everybody else could read it")
    return Endpoint("", bare, int(port))
