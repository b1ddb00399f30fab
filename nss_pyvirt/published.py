"""The published addresses of a name, for commands: it imports much less than `snapshot`."""

from __future__ import annotations

import _socket
import os
import struct
import time

from nss_pyvirt._snapshot import ffi, lib

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Final

_RECORD_SIZE: Final = ffi.sizeof("struct pv_record")
_ADDRESS: Final = struct.Struct("=I3xB16sQ")  # struct pv_address
_BYTES: Final = {_socket.AF_INET: 4, _socket.AF_INET6: 16}


def addresses(table: str | os.PathLike[str], name: str) -> list[tuple[bytes, int]] | None:
    """What the NSS module answers now: each address and its link, link-local ones last.

    The link is 0 for all but link-local IPv6 addresses. None: there is no such name, or no table.
    """
    key, host, error = ffi.new("struct pv_key *"), ffi.new("struct pv_host *"), ffi.new("int *")
    if "\0" in name or not lib.pv_name_key(key, name.encode("utf-8", "replace")):
        return None
    path = ffi.new("char[]", os.fsencode(table))
    tables = ffi.new("struct pv_tables *", {"own": path})
    now = int(time.time())
    outcome = lib.pv_look_up(tables, key, _socket.AF_UNSPEC, True, now, host, error)
    if outcome in {lib.PV_UNKNOWN, lib.PV_UNAVAILABLE}:
        return None
    chosen = host.chosen[0 : host.chosen_count] if outcome == lib.PV_FOUND else ()
    record = ffi.buffer(host.bytes, host.record.len)
    found = [_ADDRESS.unpack_from(record, _RECORD_SIZE + n * _ADDRESS.size) for n in chosen]
    found.sort(key=lambda one: (bool(one[0]), one[1]))
    return [(packed[: _BYTES[family]], ifindex) for ifindex, family, packed, _ in found]
