"""Watches what a name answers on several hosts at once, as the NSS module looks it up."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple, Self

from leasewatch import addresses
from nss_pyvirt import published
from tests.system.world import World

_PAUSE = 0.002
"""Seconds between two looks."""


class Change(NamedTuple):
    """What a host began to answer."""

    at: float
    """Monotonic seconds."""
    host: str
    found: tuple[str, ...] | None
    """IPv4 addresses; None: the name is unknown."""


class Tables:
    """`with Tables(worlds, "web1") as tables:` notes each change of an answer in `changes`."""

    def __init__(self, worlds: Mapping[str, World], name: str) -> None:
        self._files = {
            host: world.root / "run/leasewatch/hosts.v1" for host, world in worlds.items()
        }
        self._name = name
        self.changes: list[Change] = []
        self.looks = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tables")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(60)
        if error is not None:
            error.add_note("\n".join(map(str, self.changes)))

    def of(self, host: str) -> list[tuple[str, ...] | None]:
        """What a host answered, one after the other."""
        return [change.found for change in self.changes if change.host == host]

    def addresses_of(self, host: str) -> list[tuple[str, ...] | None]:
        """The same, without moments in which the name was known, but not its IPv4 address."""
        found = [one for one in self.of(host) if one != ()]
        return [one for at, one in enumerate(found) if not at or one != found[at - 1]]

    def when(self, host: str, found: tuple[str, ...] | None) -> float:
        """When a host last began to answer so."""
        return max(c.at for c in self.changes if (c.host, c.found) == (host, found))

    def absent(self) -> float:
        """The longest time for which no host had an address, in seconds."""
        now: dict[str, tuple[str, ...] | None] = {}
        longest, since = 0.0, None
        for change in self.changes:
            if since is not None:
                longest = max(longest, change.at - since)
            now[change.host] = change.found
            since = None if any(now.values()) or len(now) < len(self._files) else change.at
        return longest if since is None else max(longest, time.monotonic() - since)

    def _run(self) -> None:
        last: dict[str, tuple[str, ...] | None] = {}
        while not self._stop.is_set():
            self.looks += 1
            for host, file in self._files.items():
                now = time.monotonic()
                answer = published.addresses(file, self._name)
                v4 = (packed for packed, _ in answer or () if len(packed) == 4)
                found = tuple(map(addresses.text, v4)) if answer is not None else None
                if host not in last or last[host] != found:
                    last[host] = found
                    self.changes.append(Change(now, host, found))
            time.sleep(_PAUSE)
