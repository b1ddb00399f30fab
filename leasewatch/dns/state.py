"""The serials of zones on disk: one small file per zone, rewritten in place before each step.

The members of the catalog are there too, because their ids have to stay.

A secondary ignores a zone whose serial went back. So no serial is served that is not stored.

A killed process loses nothing, because the kernel has the page. The files are mostly not synced to
disk, so the last ones may be missing after a power failure. The content of an earlier boot counts
as unknown, and the zone gets a new serial: the Unix time. The same happens with a lost disk and a
broken file.

More than one step a second makes serials run ahead of the clock, and then the Unix time would be a
step back. So the file also says up to where serials may be used, and is synced when that changes.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from leasewatch.daemon.logs import fields
from leasewatch.dns.catalog import Member
from leasewatch.dns.zone import Kept, is_newer
from nss_pyvirt.replacing import open_regular, replace

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_MOST: Final = 200
"""Bytes of a file."""
_LINE: Final = re.compile(
    rb"serial ([0-9]{10}) up to ([0-9]{10}) content ([0-9a-f]{32}) boot ([0-9a-f-]{36})"
    rb" crc ([0-9a-f]{8})\n"
)
_AHEAD: Final = 256
"""Serials that one sync allows."""

log = logging.getLogger(__name__)


class State:
    """The folder of these files: APEX.serial, and catalog.json."""

    def __init__(self, folder: Path, boot: str | None = None) -> None:
        self.folder: Final = folder
        self._up_to: dict[str, int] = {}
        """By apex, where serials are ahead of the clock: up to where the disk says so for sure."""
        self._boot = _BOOT_ID.read_text().strip() if boot is None else boot

    def load(self, apex: str) -> Kept | None:
        """What is known of a zone; None: nothing. A broken file is logged."""
        path = self._path(apex)
        try:
            content = _read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("file of a serial unreadable %s", fields(file=path, error=error.strerror))
            return None
        found = _LINE.fullmatch(content)
        if found is None or b"%08x" % zlib.crc32(content[: found.start(5)]) != found[5]:
            hint = "the zone gets the Unix time as its serial; secondaries fetch all of it"
            log.warning("damaged file of a serial, replacing it %s", fields(file=path, hint=hint))
            return None
        if found[4].decode() != self._boot:
            return Kept(int(found[2]), None)
        self._up_to[apex] = int(found[2])
        return Kept(int(found[1]), int(found[3], 16))

    def store(self, apex: str, kept: Kept, now: float) -> None:
        """Write a zone's serial; `now` is in Unix seconds. Raises OSError."""
        up_to = self._up_to.pop(apex, 0)
        is_ahead = is_newer(kept.serial, int(now) & 0xFFFFFFFF)
        is_over = is_ahead and (not up_to or is_newer(kept.serial, up_to))
        if is_over:
            up_to = (kept.serial + _AHEAD) & 0xFFFFFFFF
        self._write(apex, kept, up_to if is_ahead else kept.serial, sync=is_over)
        if is_ahead:
            self._up_to[apex] = up_to

    def _write(self, apex: str, kept: Kept, up_to: int, *, sync: bool) -> None:
        line = (
            f"serial {kept.serial:010} up to {up_to:010} content {kept.digest or 0:032x}"
            f" boot {self._boot} crc "
        )
        content = f"{line}{zlib.crc32(line.encode()):08x}\n".encode()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = open_regular(self._path(apex), 0o600)
        try:
            if os.pwrite(fd, content, 0) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.ftruncate(fd, len(content))
            if sync:
                os.fsync(fd)
        finally:
            os.close(fd)

    def members(self) -> dict[str, Member]:
        """The members and former members of the catalog. A broken file is logged."""
        path = self.folder / "catalog.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, Member])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            hint = "members that came back may have the id that they had before"
            log.warning(
                "damaged members of the catalog, replacing them %s",
                fields(file=path, error=str(error), hint=hint),
            )
            return {}

    def store_members(self, members: Mapping[str, Member]) -> None:
        """Raises OSError."""
        replace(self.folder / "catalog.json", msgspec.json.encode(members), mode=0o600)

    def _path(self, apex: str) -> Path:
        return self.folder / f"{apex}.serial"


def _read(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(fd, _MOST)
    finally:
        os.close(fd)
