"""wire.py BRIDGE PORT=NAMESPACE...: puts frames on a bridge's ports and says which got where.

Runs in a world. A line of JSON asks, one answers: {"from": PORT, "frames": [HEX, ...]} is answered
with [[PORT, ...], ...], where each frame was seen; a frame is known by what is behind its MACs and
tags. A mark follows the frames, so nothing is waited for in time. "times": send them so often. The
host is port "host".
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import select
import socket
import struct
import sys
from pathlib import Path

_ALL, _ETH0 = 3, "eth0"
_RCVBUFFORCE = 33  # asm-generic/socket.h
_TAGS = {b"\x81\x00", b"\x88\xa8"}
_IPV6 = b"\x86\xdd"


def main() -> None:
    """Answer until the questions end."""
    ports = dict(argument.split("=") for argument in sys.argv[2:])
    with Path("/proc/self/ns/net").open() as own:
        sockets = {"host": _listen(sys.argv[1])}
        for port, namespace in ports.items():
            with Path(f"/run/netns/{namespace}").open() as other:
                _enter(other.fileno())
            sockets[port] = _listen(_ETH0)
        _enter(own.fileno())
    print("ready", flush=True)
    marks = itertools.count()
    for line in sys.stdin:
        asked = json.loads(line)
        mark = f"mark {next(marks)} of {os.getpid()}".encode()
        print(json.dumps(_try(sockets, asked, mark)), flush=True)


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, 0):
        raise OSError(ctypes.get_errno(), "setns")


def _listen(interface: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
    sock.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 64 << 20)
    sock.bind((interface, _ALL))
    return sock


def _try(sockets: dict[str, socket.socket], asked: dict[str, object], mark: bytes) -> object:
    sender = sockets[str(asked["from"])]
    frames = [bytes.fromhex(frame) for frame in asked["frames"]]  # type: ignore[attr-defined]
    listening = {port: sock for port, sock in sockets.items() if sock is not sender}
    seen: list[set[str]] = [set() for _ in frames]
    for _ in range(int(str(asked.get("times", 1)))):
        for frame in frames:
            sender.send(frame)
    for port, sock in listening.items():
        sender.send(_marked(sender.getsockname()[4], mark))
        tries = itertools.count()
        while True:
            if not select.select([sock], [], [], 1)[0]:
                if next(tries) == 30:
                    raise SystemExit(f"{port} saw no mark within 30 s")
                sender.send(_marked(sender.getsockname()[4], mark))
                continue
            caught = sock.recv(65536)
            if mark in caught:
                break
            for where, frame in zip(seen, frames, strict=True):
                if caught[6:12] == frame[6:12] and _inner(caught) == _inner(frame):
                    where.add(port)
    return [sorted(where) for where in seen]


def _inner(frame: bytes) -> bytes:
    """What is behind MACs and tags, which the kernel takes off, as what is behind IPv6's end."""
    at = 12
    while frame[at : at + 2] in _TAGS:
        at += 4
    end = None
    if frame[at : at + 2] == _IPV6:
        end = at + 42 + int.from_bytes(frame[at + 6 : at + 8], "big")
    return frame[at:end].rstrip(b"\0")


def _marked(mac: bytes, mark: bytes) -> bytes:
    """An experimental ICMPv6 message from nobody (RFC 4443 2.1), which anybody may send."""
    message = struct.pack("!BBHI", 200, 0, 0, 0) + mark
    ends = bytes(16) + bytes.fromhex("ff02") + bytes(13) + b"\1"
    packet = struct.pack("!IHBB", 6 << 28, len(message), 58, 255) + ends + message
    return bytes.fromhex("333300000001") + mac + b"\x86\xdd" + packet


main()
