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
BUCKETS, SLOT_OFF, RECORD_OFF = struct.unpack_from("=I4xQQ", GOOD, 64)
TAG = HASH >> 32
WINDOW = SLOT_OFF + (TAG * BUCKETS >> 32) * 8  # web1's sixteen slots
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
    struct.pack_into("=I", data, 100, zlib.crc32(data[:100]))
    return bytes(data)


def slots(off: int, length: int, tag: int = TAG) -> bytes:
    """The good table with all sixteen slots of web1's window the same."""
    data = bytearray(GOOD)
    reference = (off - RECORD_OFF) // 8 << 9 | length // 8 - 1
    data[WINDOW : WINDOW + 128] = struct.pack("=II", tag, reference) * 16
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
    rest = struct.pack("=IBBBB4xQ", 24 + len(body), 0, names, addresses, 0, 0) + body
    made = struct.pack("=I", zlib.crc32(rest)) + rest
    data = bytearray(slots(len(GOOD), len(made))) + made
    struct.pack_into("=Q", data, 24, len(data))
    struct.pack_into("=I", data, 100, zlib.crc32(data[:100]))
    return bytes(data)


def long_name(length: int) -> bytes:
    """Two names, one of that length."""
    names = b"x" * length + b"\0web1\0"
    return appended(2, 0, names + bytes(-len(names) % 8))


def crammed(addresses: int) -> bytes:
    """Two addresses up to the record's end, no name, and the counts that the record gives."""
    return appended(1, addresses, GOOD[WEB1 + 24 : WEB1 + 56] * 2)


HUGE = (1 << 64) - 8
FAR = RECORD_OFF + 8 * (2**23 - 1)  # as far as a slot can say
CRAFTED: dict[str, tuple[bytes, str]] = {
    "good": (GOOD, HIT),
    "newer minor": (header("H", 14, 7), HIT),
    "unknown flag": (header("I", 20, 1), HIT),
    "other endian": (header("I", 8, 0x04030201), DAMAGED),
    "older major": (header("H", 12, 1), DAMAGED),
    "newer major": (header("H", 12, 3), DAMAGED),
    "longer header": (header("I", 16, 112), DAMAGED),
    **{f"{n} buckets": (header("I", 64, n), DAMAGED) for n in (0, 1 << 20, (1 << 21) + 1, 1 << 31)},
    **{f"slots at {n}": (header("Q", 72, n), DAMAGED) for n in (0, 64, 105, len(GOOD), HUGE)},
    **{f"records at {n}": (header("Q", 80, n), DAMAGED) for n in (0, 64, 105, HUGE)},
    **{f"probe {n}": (header("I", 68, n), DAMAGED) for n in (0, 8, 17, 2**32 - 1)},
    "window full of others": (slots(WEB1, LENGTH, tag=1), UNKNOWN),
    "window full of db": (
        slots(RECORD_OFF if WEB1 != RECORD_OFF else RECORD_OFF + LENGTH, LENGTH),
        UNKNOWN,
    ),
    "window full of larger tags": (slots(WEB1, LENGTH, tag=2**32 - 1), UNKNOWN),
    "window full of itself": (slots(WEB1, LENGTH), HIT),
    **{f"record at {n}": (slots(n, LENGTH), DAMAGED) for n in (WEB1 + 8, len(GOOD), FAR)},
    **{f"record of {n}": (slots(WEB1, n), DAMAGED) for n in (16, 24, LENGTH + 8, 2048)},
    "records from the slots on": (header("Q", 80, SLOT_OFF), DAMAGED),
    "records from there on where they are": (
        both(header("Q", 80, SLOT_OFF), slots(WEB1 + RECORD_OFF - SLOT_OFF, LENGTH)),
        HIT,
    ),
    **{
        f"record in the slots, at {n}": (
            both(header("Q", 80, SLOT_OFF), slots(n + RECORD_OFF - SLOT_OFF, LENGTH)),
            DAMAGED,
        )
        for n in (SLOT_OFF, WINDOW)
    },
    "hole": (record(lambda r: r.__setitem__(9, 0)), DAMAGED),
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
