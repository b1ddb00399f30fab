"""The names in one folder of a FAT file system. Pure: it reads by a function.

It takes FAT12, FAT16 and FAT32 (Microsoft's specification of 2000). A broken one has no names.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

_ENTRY: Final = 32
_LONG_NAME, _FOLDER, _LABEL = 0x0F, 0x10, 0x08
_MOST: Final = 256 << 10
"""Bytes of a folder that are read at most."""


class _Volume(NamedTuple):
    read: Callable[[int, int], bytes]
    start: int
    """Where the file system begins on the disk, bytes; the rest counts from there."""
    cluster: int
    """Bytes of one."""
    bits: int
    """12, 16 or 32."""
    table: int
    data: int
    root: tuple[int, int]
    """FAT32: its first cluster, and 0. Else: where it is, and its bytes."""

    def at(self, offset: int, count: int) -> bytes:
        return self.read(self.start + offset, count)


def names(read: Callable[[int, int], bytes], start: int, folder: Sequence[str]) -> frozenset[str]:
    """The names in the folder, upper case, of the file system at `start`; empty: there is none."""
    volume = _volume(read, start)
    if volume is None:
        return frozenset()
    first, size = volume.root
    content = volume.at(first, size) if size else _chain(volume, first)
    for name in folder:
        found = [cluster for each, cluster in _entries(content) if each == name]
        if not found:
            return frozenset()
        content = _chain(volume, found[0])
    return frozenset(name for name, _ in _entries(content))


def _volume(read: Callable[[int, int], bytes], start: int) -> _Volume | None:
    head = read(start, 512)
    if len(head) < 512 or head[510:] != b"\x55\xaa":
        return None
    sector, per_cluster, reserved, tables, roots, few = struct.unpack_from("<HBHBHH", head, 11)
    per_table, many, wide_table, wide_root = struct.unpack("<H8xI I 4x I", head[22:48])
    if not (sector and per_cluster and tables):
        return None
    table = reserved * sector
    root = table + tables * (per_table or wide_table) * sector
    data = root + -(-roots * _ENTRY // sector) * sector
    cluster = sector * per_cluster
    count = ((few or many) * sector - data) // cluster
    bits = 12 if count < 4085 else 16 if count < 65525 else 32
    where = (root, roots * _ENTRY) if roots else (wide_root, 0)
    return _Volume(read, start, cluster, bits, table, data, where)


def _chain(volume: _Volume, cluster: int) -> bytes:
    """The content of the clusters that begin with that one."""
    content = b""
    last = (1 << min(volume.bits, 28)) - 9
    while 2 <= cluster < last and len(content) < _MOST:
        content += volume.at(volume.data + (cluster - 2) * volume.cluster, volume.cluster)
        if volume.bits == 12:
            pair = int.from_bytes(volume.at(volume.table + cluster * 3 // 2, 2), "little")
            cluster = pair >> 4 if cluster & 1 else pair & 0xFFF
        else:
            size = volume.bits // 8
            entry = int.from_bytes(volume.at(volume.table + cluster * size, size), "little")
            cluster = entry & 0x0FFFFFFF
    return content


def _entries(content: bytes) -> Iterator[tuple[str, int]]:
    """Short names, as 8.3, and the first clusters of a folder's entries.

    A longer name, such as BOOTRISCV64.EFI, comes before its short one in pieces.
    """
    pieces: dict[int, bytes] = {}
    for at in range(0, len(content) - _ENTRY + 1, _ENTRY):
        entry = content[at : at + _ENTRY]
        if not entry[0]:
            return
        if entry[0] == 0xE5:
            pieces.clear()
        elif entry[11] == _LONG_NAME:
            pieces[entry[0] & 0x3F] = entry[1:11] + entry[14:26] + entry[28:32]
        else:
            if not entry[11] & _LABEL:
                cluster = int.from_bytes(entry[26:28] + entry[20:22], "little")
                yield _name(entry, pieces), cluster
            pieces = {}


def _name(entry: bytes, pieces: dict[int, bytes]) -> str:
    if pieces:
        whole = b"".join(pieces[number] for number in sorted(pieces))
        return whole.decode("utf-16-le", "replace").partition("\0")[0].upper()
    stem, ending = (part.decode("latin-1").rstrip() for part in (entry[:8], entry[8:11]))
    return f"{stem}.{ending}" if ending else stem
