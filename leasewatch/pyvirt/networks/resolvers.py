"""The host's resolvers, copied to where a network's dnsmasq can read them.

dnsmasq's account may not be allowed to read /etc/resolv.conf. And dnsmasq does not start if that is
a link into a missing folder, because it watches the folder.
"""

from __future__ import annotations

from pathlib import Path

from leasewatch.pyvirt.networks import dnsmasq_conf
from nss_pyvirt import replacing

_MOST_LINKS = 8


class Resolvers:
    """Keeps `copy` up to date with `original`, which may be missing. Raises OSError."""

    def __init__(self, original: Path, copy: Path) -> None:
        self._original = original
        self._copy = copy

    def refresh(self) -> None:
        """Write the copy if it differs."""
        text = self._original.read_bytes() if self._original.is_file() else b""
        wanted = dnsmasq_conf.nameservers(text)
        if not self._copy.exists() or self._copy.read_bytes() != wanted:
            replacing.replace(self._copy, wanted)

    def folders(self) -> list[Path]:
        """The folders to watch: the original's, and those that its links lead to.

        A missing folder is replaced by the nearest one above it, where it would appear.
        """
        found = []
        path = self._original
        for _ in range(_MOST_LINKS):
            found.append(next(folder for folder in path.parents if folder.is_dir()))
            if not path.is_symlink():
                break
            path = path.parent / path.readlink()
        return found
