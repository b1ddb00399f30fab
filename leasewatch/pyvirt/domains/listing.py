"""The rows of `domain list` and `show`, without what takes long to import: msgspec and TOML.

What a definition says is kept in a file of root's, beside the signature of the definition's file.
Only definitions that have changed since are read and checked again, by `known`. The rest of a row
comes from run states, which are JSON, and from the published table.
"""

from __future__ import annotations

import _socket
import os
import time

from leasewatch.daemon import alive
from leasewatch.paths import Paths
from nss_pyvirt import light_json
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import show

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Any, Final

    from leasewatch.pyvirt.domains.known import KnownDomains

    Row = dict[str, Any]

KEYS: Final = (
    *("name", "aliases", "state", "why", "since", "networks", "macs", "reserved", "addresses"),
    *("disks", "memory", "cpus", "accel", "machine", "cdrom", "firmware", "kernel", "initrd"),
    *("append", "user", "mac_filtering", "autostart", "stop_timeout", "started", "pid"),
)
"""Of a row, in the order of `show`."""
_CHANGING: Final = ("why", "since", "started", "pid")
KILLED: Final = "its process was killed"
"""Why a domain has stopped whose parent left no reason."""
_SETTLED: Final = 2.0
"""Seconds for which a file must stand still: it could change again within its time stamp."""


class Listing:
    """All domains below one root."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._folder = paths.text("domain_definitions")
        self._kept: dict[str, tuple[list[int], Row]] = _read(paths.text("domain_list")) or {}
        self._fresh: dict[str, tuple[list[int], Row]] = {}
        self._heavy: KnownDomains | None = None

    def names(self) -> list[str]:
        """The names of all defined domains."""
        if os.path.lexists(self._paths.text("domain_rename")):
            self.known()  # which finishes that
        try:
            files = os.listdir(self._folder)  # noqa: PTH208  start-up time
        except OSError:
            return []
        return [file[:-5] for file in files if file.endswith(".toml") and file[0] != "."]

    def describe(self, name: str) -> Row:
        """The row of `list` and `show`; raises UserError."""
        row = self._definition(name)
        state = self.state(name)
        if state is None or not isinstance(state.get("pid"), int):
            ended = _read(f"{self._paths.text('domain_ends')}/{name}.json") or {}
        elif alive.is_alive(state["pid"], state.get("born", 0)):
            known = {key: state[key] for key in ("state", *_CHANGING) if state.get(key)}
            found = lookup(self._paths.text("snapshot"), name) or []
            return row | {"state": "running", "addresses": found} | known
        else:
            if os.geteuid() == 0:
                self._clear_up(name)
            ended = {"why": KILLED}
        return row | {key: ended[key] for key in _CHANGING if ended.get(key)}

    def state(self, name: str) -> dict[str, Any] | None:
        """The run state, also one that a killed parent has left."""
        return _read(f"{self._paths.text('domain_runs')}/{name}.json")

    def keep(self) -> None:
        """Keep what had to be read, for the next time; only root may."""
        if not self._fresh or os.geteuid() != 0:
            return
        import json  # noqa: PLC0415  start-up time

        from nss_pyvirt import replacing  # noqa: PLC0415  start-up time

        names = set(self.names())
        kept = {name: row for name, row in (self._kept | self._fresh).items() if name in names}
        try:
            replacing.replace(self._paths.domain_list, json.dumps(kept).encode())
        except OSError:
            return  # the next one reads them, too

    def _clear_up(self, name: str) -> None:
        try:
            self.known().clear_up(name, 0)
        except UserError:  # another command is at it
            return

    def _definition(self, name: str) -> Row:
        """The row of a domain that has never run."""
        try:
            there = os.stat(f"{self._folder}/{name}.toml")  # noqa: PTH116  start-up time
            signature = [there.st_ino, there.st_size, there.st_mtime_ns, there.st_ctime_ns]
            since = there.st_ctime
        except (OSError, ValueError):
            signature, since = [], time.time()
        former, row = self._kept.get(name, (None, {}))
        if former == signature and tuple(row) == KEYS:
            return row
        row = self.known().row(name)
        if since < time.time() - _SETTLED:
            self._fresh[name] = signature, row
        return row

    def known(self) -> KnownDomains:
        """What reads definitions and cleans up."""
        if self._heavy is None:
            from leasewatch.pyvirt.domains.known import KnownDomains  # noqa: PLC0415  start-up time

            self._heavy = KnownDomains(self._paths)
        return self._heavy


def lookup(table: str | os.PathLike[str], name: str) -> list[str] | None:
    """The published addresses of `name`, link-local last; None without that name."""
    from nss_pyvirt import published  # noqa: PLC0415  the C library, which few rows need

    found = published.addresses(table, name)
    if found is None:
        return None
    families = {4: _socket.AF_INET, 16: _socket.AF_INET6}
    texts = ((_socket.inet_ntop(families[len(packed)], packed), link) for packed, link in found)
    return [show.address(text, link) for text, link in texts]


def _read(path: str) -> dict[str, Any] | None:
    """The JSON object in a file of root's; None: it is missing or cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  start-up time
            value = light_json.loads(file.read())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
