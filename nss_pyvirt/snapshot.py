"""The host table: packing records, changing it in memory, reading its file and looking names up.

csrc/snapshot_format.h defines the format. csrc/table.c changes the table, and lookups are those of
the NSS module. This module writes no file and knows no clock except for the default of `now`.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from nss_pyvirt._snapshot import ffi, lib
from nss_pyvirt.errors import UserError

MAX_ADDRESSES = int(lib.PV_ADDRESSES_MAX)
"""Addresses of one host."""
RANK_BELOW = int(lib.PV_RANK_BELOW)
"""The rank of records that several names may want; `Table.put` replaces none of them."""

_NAMES_MAX = 255  # struct pv_record counts them in a byte
_NAME_MAX, _RECORD_MAX = int(lib.PV_NAME_MAX), int(lib.PV_RECORD_MAX)
_KEYS_MAX = int(lib.PV_BUCKETS_MAX) * 2 // 5  # names and addresses; csrc/table.c has the load
_BOTH = frozenset({socket.AF_INET, socket.AF_INET6})
_BYTES: dict[int, int] = {socket.AF_INET: 4, socket.AF_INET6: 16}
_EXPECT = {
    lib.PV_PENDING: frozenset[int](),
    lib.PV_PENDING | lib.PV_EXPECT4: frozenset({socket.AF_INET}),
    lib.PV_PENDING | lib.PV_EXPECT6: frozenset({socket.AF_INET6}),
    lib.PV_PENDING | lib.PV_EXPECT4 | lib.PV_EXPECT6: _BOTH,
}
_FLAGS = {expect: flags for flags, expect in _EXPECT.items()}
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_CRC = struct.Struct("=I")
_RECORD = struct.Struct("=IBBBB4xQ")  # struct pv_record after its crc
_ADDRESS = struct.Struct("=I3xB16sQ")  # struct pv_address
_MAPPED = bytes(10) + b"\xff\xff"
_STRETCH = 64 << 10
"""Bytes of a file that are read and checked at once; a record is much shorter."""


class SnapshotError(UserError):
    """A snapshot that cannot be read, or hosts that do not fit into one."""

    code = "unavailable"


class DuplicateNameError(ValueError):
    """Two records have one name."""


class Address(NamedTuple):
    """One address of a host."""

    family: int
    """socket.AF_INET or socket.AF_INET6."""
    packed: bytes
    """4 or 16 bytes, as of socket.inet_pton."""
    expires: int
    """Unix seconds, > 0; from then on it is not answered."""
    ifindex: int = 0
    """The link of a link-local IPv6 address; 0 for all others."""


class Host(NamedTuple):
    """One host record: `names[0]` is canonical, the others are aliases."""

    names: tuple[str, ...]
    """Lower case, no final dot."""
    addresses: tuple[Address, ...]
    """In the order to answer them."""
    pending_until: int = 0
    """Unix seconds; until then a name without an address of the asked family answers "not yet", and
    the NSS module waits for news of it."""
    expect: frozenset[int] = _BOTH
    """The families that are awaited while pending."""
    rank: int = 0
    """If several records have an address, a reverse lookup answers the lowest rank; up to 255."""


class Snapshot(NamedTuple):
    """A whole host table."""

    generation: int
    published: int
    """Unix seconds."""
    hosts: tuple[Host, ...]
    pending_wait: int = 0
    """Milliseconds that the lookup of a pending host may take."""


class Summary(NamedTuple):
    """What a sound snapshot holds."""

    generation: int
    published: int
    """Unix seconds."""
    hosts: int
    pending_wait: int
    """Milliseconds."""


class Answer(NamedTuple):
    """What a program would get. Names and addresses are there only when `found`."""

    status: Literal["found", "unknown", "no data", "not yet"]
    names: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()


def pack(host: Host) -> bytes:
    """One host's record, to be kept for as long as the host does not change.

    Raises ValueError saying what is wrong with the host.
    """
    names, addresses, pending_until, expect, rank = host
    if not names:
        raise ValueError("a host without a name")
    for name in names:
        if len(name) > _NAME_MAX or not _NAME.fullmatch(name):
            raise ValueError(f"not a lower-case host name: {name!r}")
    if len(set(names)) != len(names):
        raise ValueError(f"host {names[0]} has a name twice")
    if len(names) > _NAMES_MAX:
        raise ValueError(f"host {names[0]} has {len(names)} names, over {_NAMES_MAX}")
    if len(addresses) > MAX_ADDRESSES:
        raise ValueError(f"host {names[0]} has {len(addresses)} addresses, over {MAX_ADDRESSES}")
    if len({(address.packed, address.ifindex) for address in addresses}) != len(addresses):
        raise ValueError(f"host {names[0]} has an address twice")
    if not 0 <= pending_until < 1 << 63:
        raise ValueError(f"host {names[0]}: pending_until {pending_until} is not a time")
    text = "\0".join(names).encode("ascii") + b"\0"
    packed = [_pack_address(names[0], address) for address in addresses]
    body = b"".join((*packed, text, bytes(-len(text) % 8)))
    length = 4 + _RECORD.size + len(body)
    if length > _RECORD_MAX:
        raise ValueError(
            f"host {names[0]}: names and addresses take {length} bytes, over {_RECORD_MAX}"
        )
    flags = _FLAGS[expect] if pending_until else 0
    rest = _RECORD.pack(length, flags, len(names), len(addresses), rank, pending_until) + body
    return _CRC.pack(zlib.crc32(rest)) + rest


def unpack(record: bytes) -> Host:
    """The host of a packed record."""
    return _unpack(record, 0)


class Table:
    """A host table in memory, as its file will hold it: a change costs the record that changes.

    `seed`: 16 bytes for the hash, random unless a test wants the same file twice.
    """

    def __init__(self, seed: bytes | None = None) -> None:
        self._table = ffi.gc(ffi.new("struct pv_table *"), lib.pv_table_free)
        seed = seed or os.urandom(16)
        if len(seed) != 16:
            raise ValueError(f"a seed has 16 bytes, not {len(seed)}")
        if not lib.pv_table_init(self._table, seed):
            raise MemoryError

    def __len__(self) -> int:
        """How many records it has."""
        return int(self._table.header.records)

    def put(self, record: bytes) -> bool:
        """Put in a packed record; returns whether that changes the table.

        A record of a rank below RANK_BELOW replaces the one with the same first name. Raises
        DuplicateNameError if another record has one of the names, and SnapshotError if the table
        is full.
        """
        change = lib.pv_put(self._table, record, len(record))
        if change == lib.PV_NAME_TAKEN:
            name = ffi.string(self._table.taken).decode("ascii")
            raise DuplicateNameError(f"two hosts have the name {name}")
        if change == lib.PV_BAD_RECORD:
            raise ValueError("not a packed record")
        return self._done(change)

    def remove(self, name: str, *, below: bool = False) -> bool:
        """Remove the record with that first name; returns whether there was one.

        `below`: one of RANK_BELOW; otherwise one of a lower rank.
        """
        return self._done(lib.pv_remove(self._table, name.encode("ascii"), below))

    def hosts(self) -> list[Host]:
        """The host of each record."""
        return _hosts(ffi.buffer(self._table.records, self._table.len)[:])

    def parts(
        self, *, generation: int, published: int, pending_wait: int = 0
    ) -> tuple[memoryview, ...]:
        """The file's parts, valid until the next change; `published` is in Unix seconds.

        `pending_wait`: milliseconds that the lookup of a pending host may take. Raises
        SnapshotError beyond the design limit.
        """
        of = {"generation": generation, "published": published, "pending_wait": pending_wait}
        self._done(lib.pv_finish(self._table, ffi.new("struct pv_header *", of)))
        table, header = self._table, self._table.header
        return (
            memoryview(ffi.buffer(ffi.addressof(header))),
            memoryview(ffi.buffer(table.slots, header.record_off - header.slot_off)),
            memoryview(ffi.buffer(table.records, table.len)),
        )

    def read_back(self, path: str | os.PathLike[str]) -> None:
        """Compare a file with the parts that it was written from; SnapshotError if it differs."""
        error = lib.pv_read_back(self._table, os.fsencode(path))
        if error:
            raise _unreadable(path, error)

    def _done(self, change: int) -> bool:
        if change == lib.PV_TOO_LARGE:
            raise SnapshotError(
                f"more than {len(self)} hosts do not fit into a host table ({_KEYS_MAX} names and"
                f" addresses, {lib.PV_FILE_MAX >> 20} MiB)",
                "watch fewer lease files on this host",
            )
        if change not in {lib.PV_UNCHANGED, lib.PV_CHANGED}:
            raise MemoryError
        return bool(change == lib.PV_CHANGED)


def encode(
    hosts: Iterable[Host],
    *,
    generation: int,
    published: int,
    pending_wait: int = 0,
    seed: bytes | None = None,
) -> bytes:
    """The file of a table of these hosts; raises what `pack` and Table raise."""
    table = Table(seed)
    for host in hosts:
        table.put(pack(host))
    parts = table.parts(generation=generation, published=published, pending_wait=pending_wait)
    return b"".join(parts)


def check(path: str | os.PathLike[str], take: Callable[[memoryview], object] = len) -> Summary:
    """Read a whole file through the C reader and check every record; raises SnapshotError.

    `take` gets whole records, some at a time; they are valid until it returns.
    """
    snapshot, header = ffi.new("struct pv_snapshot *"), ffi.new("struct pv_header *")
    buffer, records = memoryview(bytearray(_STRETCH)), ffi.new("uint32_t *")
    error = lib.pv_open(snapshot, os.fsencode(path), header, ffi.sizeof("struct pv_header"))
    if error:
        raise _unreadable(path, error)
    try:
        at = header.record_off
        while at < snapshot.size:
            length = min(_STRETCH, snapshot.size - at)
            error = lib.pv_read(snapshot, ffi.from_buffer(buffer), at, length)
            if error:
                raise _unreadable(path, error)
            # It ends at the record that goes on in the next stretch, or at a bad one.
            sound = lib.pv_check_records(ffi.from_buffer(buffer), length, records)
            if sound == 0:
                raise SnapshotError(f"{path}: the record at byte {at} is damaged")
            take(buffer[:sound])
            at += sound
    finally:
        lib.pv_close(snapshot)
    if records[0] != header.records:
        raise SnapshotError(f"{path}: {records[0]} records, its header says {header.records}")
    return Summary(header.generation, header.published, header.records, header.pending_wait)


def read(path: str | os.PathLike[str]) -> Snapshot:
    """All hosts of a file, in the order in which they were written; raises SnapshotError."""
    hosts: list[Host] = []
    summary = check(path, lambda records: hosts.extend(_hosts(records)))
    return Snapshot(summary.generation, summary.published, tuple(hosts), summary.pending_wait)


def lookup(
    path: str | os.PathLike[str],
    name: str,
    family: int = socket.AF_UNSPEC,
    now: float | None = None,
    peers: str | os.PathLike[str] | None = None,
) -> Answer:
    """What the NSS module answers for `name` at `now` (Unix seconds); raises SnapshotError.

    `peers`: the table that is asked after a miss in `path`; whether it can be read does not matter.
    A link-local address is the answer for both families alone, where none before it is better:
    only gethostbyname4_r can say which link it is on.
    """
    key = ffi.new("struct pv_key *")
    if "\0" in name or not lib.pv_name_key(key, name.encode("utf-8", "replace")):
        return Answer("unknown")
    return _look_up(path, peers, key, family, now)


def lookup_address(
    path: str | os.PathLike[str],
    packed: bytes,
    now: float | None = None,
    peers: str | os.PathLike[str] | None = None,
) -> Answer:
    """The same for an address of 4 or 16 bytes."""
    families = {length: family for family, length in _BYTES.items()}
    if len(packed) not in families:
        raise ValueError(f"an address has 4 or 16 bytes, not {len(packed)}")
    key = ffi.new("struct pv_key *")
    lib.pv_address_key(key, families[len(packed)], packed)
    return _look_up(path, peers, key, socket.AF_UNSPEC, now)


def _pack_address(name: str, address: Address) -> bytes:
    family, packed, expires, ifindex = address
    if len(packed) != _BYTES.get(family):
        raise ValueError(f"host {name}: {packed!r} is no address of family {family}")
    if packed.startswith(_MAPPED):
        raise ValueError(f"host {name}: an IPv4-mapped address; give the IPv4 address")
    if not 0 < expires < 1 << 63:
        raise ValueError(f"host {name}: an address expires at {expires}, which is not a time")
    link_local = family == socket.AF_INET6 and packed[0] == 0xFE and packed[1] & 0xC0 == 0x80
    if link_local != (ifindex > 0):
        raise ValueError(f"host {name}: link-local addresses, and no others, have an ifindex")
    return _ADDRESS.pack(ifindex, family, packed, expires)


def _hosts(records: bytes | memoryview) -> list[Host]:
    """The hosts of whole records, which have been checked; holes are left out."""
    hosts, at = [], 0
    while at < len(records):
        length, _flags, names = _RECORD.unpack_from(records, at + 4)[:3]
        if names:
            hosts.append(_unpack(records, at))
        at += length
    return hosts


def _unpack(body: bytes | memoryview, at: int) -> Host:
    """The record at `at`, which has been checked."""
    length, flags, name_count, address_count, rank, until = _RECORD.unpack_from(body, at + 4)
    addresses = []
    end = at + length
    at += 4 + _RECORD.size
    for _ in range(address_count):
        ifindex, family, packed, expires = _ADDRESS.unpack_from(body, at)
        addresses.append(Address(family, packed[: _BYTES[family]], expires, ifindex))
        at += _ADDRESS.size
    names = bytes(body[at:end]).split(b"\0")[:name_count]
    expect = _EXPECT.get(flags, _BOTH)
    text = tuple(name.decode("ascii") for name in names)
    return Host(text, tuple(addresses), until, expect, rank)


def _unreadable(path: str | os.PathLike[str], error: int) -> SnapshotError:
    if error == errno.EBADMSG:
        return SnapshotError(f"{path}: not a host table of this version, or a damaged one")
    if error == errno.EPERM:
        return SnapshotError(f"{path}: not a regular file, or one that others may write")
    return SnapshotError(f"{path}: {os.strerror(error)}")


def _look_up(
    path: str | os.PathLike[str],
    peers: str | os.PathLike[str] | None,
    key: ffi.CData,
    family: int,
    now: float | None,
) -> Answer:
    own = ffi.new("char[]", os.fsencode(path))
    other = ffi.NULL if peers is None else ffi.new("char[]", os.fsencode(peers))
    tables = ffi.new("struct pv_tables *", {"own": own, "peers": other})
    found, error = ffi.new("struct pv_host *"), ffi.new("int *")
    seconds, with_scope = int(time.time() if now is None else now), family == socket.AF_UNSPEC
    outcome = lib.pv_look_up(tables, key, family, with_scope, seconds, found, error)
    if outcome == lib.PV_UNAVAILABLE:
        raise _unreadable(path, error[0])
    if outcome == lib.PV_NO_DATA:
        return Answer("no data")
    if outcome == lib.PV_NOT_YET:
        return Answer("not yet")
    if outcome == lib.PV_UNKNOWN:
        return Answer("unknown")
    host = _unpack(bytes(ffi.buffer(found.bytes, found.record.len)), 0)
    chosen = [host.addresses[found.chosen[i]] for i in range(found.chosen_count)]
    return Answer("found", host.names, tuple(chosen))
