"""A second reader of snapshots, in plain Python from csrc/snapshot_format.h's text alone.

Shares no code with the project: what both readers say is what the format says.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

HEADER = struct.Struct("=8sIHHIIQQQ16sIIQQQHHII16xI")
SLOT = struct.Struct("=IIQ")
RECORD = struct.Struct("=IIBBB5xQ")
ADDRESS = struct.Struct("=I3xB16sQ")
PROBE = 8
MASK = (1 << 64) - 1


class DamagedError(Exception):
    """The file is not what the format says."""


def _hold(condition: bool, what: str) -> None:
    if not condition:
        raise DamagedError(what)


@dataclass(frozen=True)
class Record:
    """One record; addresses as (family, 16 bytes, expires, ifindex)."""

    names: list[str]
    addresses: list[tuple[int, bytes, int, int]]
    flags: int
    pending_until: int


def _rotl(x: int, bits: int) -> int:
    return (x << bits | x >> (64 - bits)) & MASK


def siphash(seed: bytes, data: bytes) -> int:
    """SipHash-2-4 of `data`, as the paper's appendix computes it."""
    k0: int
    k1: int
    k0, k1 = struct.unpack("<QQ", seed)
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    word: int | None
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    words = [*struct.unpack(f"<{len(padded) // 8}Q", padded), None]
    for word in words:
        if word is None:
            v2 ^= 0xFF
        else:
            v3 ^= word
        for _ in range(4 if word is None else 2):
            v0, v2 = (v0 + v1) & MASK, (v2 + v3) & MASK
            v1, v3 = _rotl(v1, 13) ^ v0, _rotl(v3, 16) ^ v2
            v0 = _rotl(v0, 32)
            v2, v0 = (v2 + v1) & MASK, (v0 + v3) & MASK
            v1, v3 = _rotl(v1, 17) ^ v2, _rotl(v3, 21) ^ v0
            v2 = _rotl(v2, 32)
        if word is not None:
            v0 ^= word
    return v0 ^ v1 ^ v2 ^ v3


class Oracle:
    """A snapshot's bytes, asked by name and address."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        if len(data) < HEADER.size:
            raise DamagedError("short")
        fields = HEADER.unpack_from(data)
        magic, endian, major, _minor, header_len, _flags, file_len = fields[:7]
        self.generation, self.published, self.seed = fields[7:10]
        self.name_buckets, self.addr_buckets, self.name_off, self.addr_off = fields[10:14]
        self.record_off, name_probe, addr_probe, self.records, self.pending_wait, crc = fields[14:]
        sound = (magic, endian, major, header_len) == (b"PVHOSTS\n", 0x01020304, 1, 128)
        if not sound or file_len != len(data) or crc != zlib.crc32(data[:124]):
            raise DamagedError("header")
        _hold((name_probe, addr_probe) == (PROBE, PROBE), "probe")
        for off, buckets in [
            (self.name_off, self.name_buckets),
            (self.addr_off, self.addr_buckets),
        ]:
            _hold(buckets.bit_count() == 1 and buckets <= 1 << 20, "buckets")
            _hold(off >= HEADER.size and off % 8 == 0, "table")
            _hold(off + (buckets + PROBE) * SLOT.size <= len(data), "table")
        _hold(HEADER.size <= self.record_off <= len(data) and self.record_off % 8 == 0, "records")

    def record(self, off: int, length: int | None = None) -> Record:
        """The record at `off`, of `length` bytes where a slot says so."""
        _hold(self.record_off <= off <= len(self.data) - RECORD.size and off % 8 == 0, "offset")
        crc, said, flags, name_count, address_count, pending = RECORD.unpack_from(self.data, off)
        length = said if length is None else length
        _hold(length == said and length % 8 == 0 and RECORD.size < length <= 2048, "length")
        _hold(off + length <= len(self.data), "length")
        _hold(crc == zlib.crc32(self.data[off + 4 : off + length]), "record")
        at = off + RECORD.size + address_count * ADDRESS.size
        _hold(address_count <= 32 and at < off + length, "addresses")
        addresses = []
        for fields in ADDRESS.iter_unpack(self.data[off + RECORD.size : at]):
            ifindex, family, packed, expires = fields
            link_local = family == 10 and packed[0] == 0xFE and 0x80 <= packed[1] <= 0xBF
            _hold(family in {2, 10} and (link_local or not ifindex), "address")
            addresses.append((family, packed, expires, ifindex))
        *names, filling = self.data[at : off + length].split(b"\0", name_count)
        _hold(len(names) == name_count > 0 and len(filling) < 8, "names")
        _hold(all(1 <= len(name) <= 253 for name in names), "name")
        return Record([name.decode("latin-1") for name in names], addresses, flags, pending)

    def walk(self) -> list[Record]:
        """All records, in the order of the file."""
        found = []
        off = self.record_off
        while off < len(self.data):
            found.append(self.record(off))
            off += struct.unpack_from("=I", self.data, off + 4)[0]
        return found

    def _slots(self, table_off: int, buckets: int, key: bytes) -> Iterator[tuple[int, int]]:
        """Offset and length of the records that may hold the key."""
        value = siphash(self.seed, key)
        start = table_off + (value & (buckets - 1)) * SLOT.size
        for i in range(PROBE):
            tag, length, off = SLOT.unpack_from(self.data, start + i * SLOT.size)
            if off == 0:
                return
            if tag == value >> 32:
                yield off, length

    def by_name(self, name: str) -> Record | None:
        """The record of a folded name."""
        for slot in self._slots(self.name_off, self.name_buckets, name.encode("ascii")):
            record = self.record(*slot)
            if name in record.names:
                return record
        return None

    def by_address(self, family: int, packed: bytes) -> Record | None:
        """The record of an address of 4 or 16 bytes."""
        key = packed.ljust(16, b"\0")
        for slot in self._slots(self.addr_off, self.addr_buckets, bytes([family]) + key):
            record = self.record(*slot)
            if any((family, key) == address[:2] for address in record.addresses):
                return record
        return None
