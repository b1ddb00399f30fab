"""A second reader of snapshots, in plain Python from csrc/snapshot_format.h's text alone.

Shares no code with the project: what both readers say is what the format says.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

HEADER = struct.Struct("=8sIHHIIQQQ16sIIQQII4xI")
SLOT = struct.Struct("=II")
RECORD = struct.Struct("=IIBBBB4xQ")
ADDRESS = struct.Struct("=I3xB16sQ")
PROBE = 16
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
    rank: int


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
        self.buckets, probe, self.slot_off, self.record_off = fields[10:14]
        self.records, self.pending_wait, crc = fields[14:]
        sound = (magic, endian, major, header_len) == (b"PVHOSTS\n", 0x01020304, 2, 104)
        if not sound or file_len != len(data) or crc != zlib.crc32(data[:100]):
            raise DamagedError("header")
        _hold(probe == PROBE, "probe")
        _hold(1 <= self.buckets <= 1 << 21, "buckets")
        _hold(self.slot_off >= HEADER.size and self.slot_off % 8 == 0, "slots")
        _hold(self.slot_off + (self.buckets + PROBE) * SLOT.size <= len(data), "slots")
        _hold(HEADER.size <= self.record_off <= len(data) and self.record_off % 8 == 0, "records")

    def record(self, off: int, length: int | None = None) -> Record:
        """The record at `off`, of `length` bytes where a slot says so."""
        _hold(self.record_off <= off <= len(self.data) - RECORD.size and off % 8 == 0, "offset")
        crc, said, flags, name_count, address_count, rank, pending = RECORD.unpack_from(
            self.data, off
        )
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
        return Record([name.decode("latin-1") for name in names], addresses, flags, pending, rank)

    def walk(self) -> list[Record]:
        """All records, in the order of the file, without the holes."""
        found = []
        off = self.record_off
        while off < len(self.data):
            crc, length, _flags, names = RECORD.unpack_from(self.data, off)[:4]
            if names:
                found.append(self.record(off))
            else:
                zeros = bytes(length - 8)
                _hold(self.data[off + 8 : off + length] == zeros, "hole")
                _hold(crc == zlib.crc32(struct.pack("=I", length) + zeros), "hole")
            off += length
        return found

    def all_slots(self) -> list[tuple[int, int, int]]:
        """Each slot that is not empty: its number, its tag, and the offset of its record."""
        start, end = self.slot_off, self.slot_off + (self.buckets + PROBE) * SLOT.size
        slots = enumerate(SLOT.iter_unpack(self.data[start:end]))
        return [(i, tag, self.record_off + (ref >> 9) * 8) for i, (tag, ref) in slots if ref]

    def _slots(self, key: bytes) -> Iterator[tuple[int, int]]:
        """Offset and length of the records that may hold the key."""
        value = siphash(self.seed, key) >> 32
        start = self.slot_off + (value * self.buckets >> 32) * SLOT.size
        for i in range(PROBE):
            tag, reference = SLOT.unpack_from(self.data, start + i * SLOT.size)
            if reference == 0 or tag > value:
                return
            if tag == value:
                yield self.record_off + (reference >> 9) * 8, ((reference & 255) + 1) * 8

    def by_name(self, name: str) -> Record | None:
        """The record of a folded name."""
        for slot in self._slots(name.encode("ascii")):
            record = self.record(*slot)
            if name in record.names:
                return record
        return None

    def by_address(self, family: int, packed: bytes) -> Record | None:
        """The record of an address of 4 or 16 bytes."""
        key = packed.ljust(16, b"\0")
        for slot in self._slots(bytes([family]) + key):
            record = self.record(*slot)
            if any((family, key) == address[:2] for address in record.addresses):
                return record
        return None
