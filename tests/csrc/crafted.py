"""Snapshots that lie with right checksums: what a bug in the writer, or an enemy, would make.

Each is a table of web1 and db with one thing changed, and what a lookup of web1 must say then.
"""

from __future__ import annotations

import socket
import struct
import zlib
from collections.abc import Callable

from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import Address, Host
from tests.nss_pyvirt.oracle import siphash

ALIVE = 4_000_000_000
HIT = "1 77 0 web1 | 10.77.0.5"
UNKNOWN = "0 77 1"
DAMAGED = "-1 74 3"

SEED = bytes(16)
GOOD = snapshot.encode(
    [
        Host(("web1",), (Address(socket.AF_INET, socket.inet_aton("10.77.0.5"), ALIVE),)),
        Host(("db",), (Address(socket.AF_INET, socket.inet_aton("10.77.0.6"), ALIVE),)),
    ],
    generation=1,
    published=1,
    seed=SEED,
)
HASH = siphash(SEED, b"web1")
BUCKETS, NAME_OFF, ADDR_OFF, RECORD_OFF = struct.unpack_from("=I4xQQQ", GOOD, 64)
WINDOW = NAME_OFF + HASH % BUCKETS * 16  # web1's eight slots
WEB1 = next(
    off
    for off in (RECORD_OFF, RECORD_OFF + struct.unpack_from("=I", GOOD, RECORD_OFF + 4)[0])
    if b"web1" in GOOD[off : off + 64]
)
(LENGTH,) = struct.unpack_from("=I", GOOD, WEB1 + 4)


def header(fmt: str, off: int, value: int) -> bytes:
    """The good table with one field of the header changed."""
    data = bytearray(GOOD)
    struct.pack_into("=" + fmt, data, off, value)
    struct.pack_into("=I", data, 124, zlib.crc32(data[:124]))
    return bytes(data)


def slots(off: int, length: int, tag: int = HASH >> 32) -> bytes:
    """The good table with all eight slots of web1's window the same."""
    data = bytearray(GOOD)
    data[WINDOW : WINDOW + 128] = struct.pack("=IIQ", tag, length, off) * 8
    return bytes(data)


def both(first: bytes, second: bytes) -> bytes:
    """The good table with the changes of two others."""
    return bytes(b if a == g else a for g, a, b in zip(GOOD, first, second, strict=True))


def record(change: Callable[[bytearray], object]) -> bytes:
    """The good table with web1's record changed."""
    data = bytearray(GOOD[WEB1 : WEB1 + LENGTH])
    change(data)
    struct.pack_into("=I", data, 0, zlib.crc32(data[4:]))
    return GOOD[:WEB1] + data + GOOD[WEB1 + LENGTH :]


def appended(names: int, addresses: int, body: bytes) -> bytes:
    """The good table with a record behind it that all of web1's slots name."""
    rest = struct.pack("=IBBB5xQ", 24 + len(body), 0, names, addresses, 0) + body
    made = struct.pack("=I", zlib.crc32(rest)) + rest
    data = bytearray(slots(len(GOOD), len(made))) + made
    struct.pack_into("=Q", data, 24, len(data))
    struct.pack_into("=I", data, 124, zlib.crc32(data[:124]))
    return bytes(data)


def long_name(length: int) -> bytes:
    """Two names, one of that length."""
    names = b"x" * length + b"\0web1\0"
    return appended(2, 0, names + bytes(-len(names) % 8))


def crammed(addresses: int) -> bytes:
    """Two addresses up to the record's end, no name, and how many there are said to be."""
    return appended(1, addresses, GOOD[WEB1 + 24 : WEB1 + 56] * 2)


HUGE = (1 << 64) - 8
CRAFTED: dict[str, tuple[bytes, str]] = {
    "good": (GOOD, HIT),
    "newer minor": (header("H", 14, 7), HIT),
    "unknown flag": (header("I", 20, 1), HIT),
    "other endian": (header("I", 8, 0x04030201), DAMAGED),
    "newer major": (header("H", 12, 2), DAMAGED),
    "longer header": (header("I", 16, 136), DAMAGED),
    **{f"{n} name buckets": (header("I", 64, n), DAMAGED) for n in (0, 3, 1 << 21, 1 << 31)},
    **{f"{n} address buckets": (header("I", 68, n), DAMAGED) for n in (0, 9, 1 << 20, 1 << 21)},
    **{f"names at {n}": (header("Q", 72, n), DAMAGED) for n in (0, 64, 129, len(GOOD), HUGE)},
    **{f"addresses at {n}": (header("Q", 80, n), DAMAGED) for n in (0, 64, 129, HUGE)},
    **{f"records at {n}": (header("Q", 88, n), DAMAGED) for n in (0, 64, 129, HUGE)},
    **{f"name probe {n}": (header("H", 96, n), DAMAGED) for n in (0, 9, 65535)},
    **{f"address probe {n}": (header("H", 98, n), DAMAGED) for n in (0, 9, 65535)},
    "window full of others": (slots(WEB1, LENGTH, tag=1), UNKNOWN),
    "window full of db": (
        slots(RECORD_OFF if WEB1 != RECORD_OFF else RECORD_OFF + LENGTH, LENGTH),
        UNKNOWN,
    ),
    "window full of itself": (slots(WEB1, LENGTH), HIT),
    **{f"record at {n}": (slots(n, LENGTH), DAMAGED) for n in (8, WEB1 + 4, len(GOOD), HUGE)},
    **{f"record of {n}": (slots(WEB1, n), DAMAGED) for n in (0, 16, 24, 2056, 2**32 - 8)},
    "tables on each other": (header("Q", 80, NAME_OFF), HIT),
    "records from the tables on": (header("Q", 88, NAME_OFF), HIT),
    **{
        f"record in the tables, at {n}": (
            both(header("Q", 88, NAME_OFF), slots(n, LENGTH)),
            DAMAGED,
        )
        for n in (NAME_OFF, WINDOW, ADDR_OFF)
    },
    "no name": (record(lambda r: r.__setitem__(9, 0)), DAMAGED),
    "255 names": (record(lambda r: r.__setitem__(9, 255)), DAMAGED),
    "33 addresses": (record(lambda r: r.__setitem__(10, 33)), DAMAGED),
    "2 addresses": (record(lambda r: r.__setitem__(10, 2)), DAMAGED),
    **{f"{n} addresses in the room of 2": (crammed(n), DAMAGED) for n in (2, 3, 32)},
    "no final NUL": (record(lambda r: r.__setitem__(slice(-8, None), b"web1xxxx")), DAMAGED),
    "no address": (record(lambda r: r.__setitem__(10, 0)), DAMAGED),
    "family 3": (record(lambda r: r.__setitem__(31, 3)), DAMAGED),
    "link of a global address": (record(lambda r: r.__setitem__(24, 1)), DAMAGED),
    "other length": (record(lambda r: r.__setitem__(4, LENGTH - 8)), DAMAGED),
    "name of 253": (long_name(253), UNKNOWN),  # its record has no address
    "name of 254": (long_name(254), DAMAGED),
}
