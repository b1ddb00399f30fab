"""Peers' zones on disk: what a restart of ours keeps while a peer and all name servers are away.

One JSON file per host. Its modification time is the last contact. Files are not synced to disk: a
zone that a power failure damages is fetched again.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Final

import msgspec

from leasewatch import addresses
from leasewatch.daemon.logs import fields
from leasewatch.dns.peer_zone import MAX_NAMES, PeerZone, Soa

_MOST: Final = 8 << 20
"""Bytes of a file."""
_LOG = logging.getLogger(__name__)


class _Kept(msgspec.Struct, frozen=True):
    apex: str
    soa: tuple[int, int, int]
    names: dict[str, list[str]]


class PeerState:
    """The folder of these files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, host: str, zone: PeerZone) -> float:
        """Give the zone what is kept of it; returns the seconds since the last contact.

        Nothing is kept, it is of another site, too old or damaged: the zone stays empty.
        """
        path = self._path(host)
        try:
            with path.open("rb") as file:
                kept = msgspec.json.decode(file.read(_MOST), type=_Kept)
                age = max(0.0, time.time() - os.fstat(file.fileno()).st_mtime)
            soa = Soa(*kept.soa)
            if kept.apex != zone.apex or age >= soa.expire or len(kept.names) > MAX_NAMES:
                return 0.0
            names = {name: tuple(map(addresses.parse, held)) for name, held in kept.names.items()}
        except FileNotFoundError:
            return 0.0
        except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
            hint = "the zone is fetched again"
            _LOG.warning("kept zone unreadable %s", fields(file=path, why=error, hint=hint))
            return 0.0
        zone.change(soa, names, replacement=True)
        return age

    def save(self, host: str, zone: PeerZone) -> None:
        """Keep a zone, as of now. Raises OSError."""
        if zone.soa is None:
            self._path(host).unlink(missing_ok=True)
            return
        names = {name: [*map(addresses.text, held)] for name, held in zone.names.items()}
        kept = _Kept(zone.apex, (zone.soa.serial, zone.soa.refresh, zone.soa.expire), names)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(host)
        temporary = path.with_name(f".{host}.new")
        temporary.write_bytes(msgspec.json.encode(kept))
        temporary.replace(path)

    def touch(self, host: str) -> None:
        """The host was there, and its zone is as it was saved. Raises OSError."""
        os.utime(self._path(host))

    def keep_only(self, hosts: set[str]) -> None:
        """Remove what is kept of other hosts."""
        for path in self._folder.glob("*.json"):
            if path.stem not in hosts:
                path.unlink(missing_ok=True)

    def _path(self, host: str) -> Path:
        return self._folder / f"{host}.json"
