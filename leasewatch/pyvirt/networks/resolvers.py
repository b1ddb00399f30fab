"""The host's resolvers, copied to where a network's dnsmasq can read them.

/etc/resolv.conf may be closed to dnsmasq's account, or a link into a folder that is not there: then
dnsmasq would not start, because it watches that folder.
"""

from __future__ import annotations

from pathlib import Path

from leasewatch.pyvirt.networks import dnsmasq_conf
from nss_pyvirt import replacing

_MOST_LINKS = 8


class Resolvers:
    """Keeps `copy` in step with `original`, which may be missing. Raises OSError."""

    def __init__(self, original: Path, copy: Path) -> None:
        self._original = original
        self._copy = copy

    def refresh(self) -> None:
        """Write the copy where it differs."""
        text = self._original.read_bytes() if self._original.is_file() else b""
        wanted = dnsmasq_conf.nameservers(text)
        if not self._copy.exists() or self._copy.read_bytes() != wanted:
            replacing.replace(self._copy, wanted)

    def folders(self) -> list[Path]:
        """Where a change may be one of the original: its folder, and those that its links lead to.

        In place of a missing one the nearest above it: there it would appear.
        """
        found = []
        path = self._original
        for _ in range(_MOST_LINKS):
            found.append(next(folder for folder in path.parents if folder.is_dir()))
            if not path.is_symlink():
                break
            path = path.parent / path.readlink()
        return found
