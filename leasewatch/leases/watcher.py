"""Which files changed, by inotify(7). It reads none of the files.

It uses only watchdog's inotify layer, in the event loop and without its thread. watchdog's
observers pass each event through three threads, handle each of a thousand writes on its own, and
may stall or end. Here, events wait in the kernel while we work, and the kernel joins equal ones.
`check` finds folders that went and came back; call it every few seconds.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

# OPEN and CLOSE_NOWRITE would report our own reads.
_MASK = Mask(
    InotifyConstants.IN_MODIFY
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_CREATE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_DELETE_SELF
)


class Watcher:
    """Calls `changed` with the watched paths that had events; made and used in the event loop.

    It calls `overflowed` if events were lost, so any path may have changed.
    """

    def __init__(self, changed: Callable[[set[str]], None], overflowed: Callable[[], None]) -> None:
        self._changed = changed
        self._overflowed = overflowed
        self._files: frozenset[str] = frozenset()
        self._folders: dict[str, tuple[str, ...]] = {}
        self._awaited: frozenset[str] = frozenset()
        """Missing folders: each is watched, or a folder below it, as soon as it appears."""
        self._watches: dict[str, tuple[_Watch, tuple[int, int]]] = {}
        self._inotify = _Inotify()
        asyncio.get_running_loop().add_reader(self._inotify.fileno(), self._read)

    def watch(self, files: Collection[str], folders: Mapping[str, Collection[str]]) -> set[str]:
        """Watch these files, and the files directly in these folders.

        A folder maps to the ends of the names to watch in it. Hidden files are ignored: they are
        being written. Neither need exist. Returns the folders that are watched from now on: earlier
        events in them were missed.
        """
        self._files = frozenset(files)
        self._folders = {folder: tuple(ends) for folder, ends in folders.items()}
        return self.check()

    def check(self) -> set[str]:
        """Follow folders that went, came or were replaced; returns what `watch` returns."""
        wanted: dict[str, tuple[int, int]] = {}
        awaited: set[str] = set()
        for folder in {_parent(file) for file in self._files} | self._folders.keys():
            nearest, missing, identity = _nearest(folder)
            wanted[nearest] = identity
            if missing:
                awaited.add(missing)
        self._awaited = frozenset(awaited)
        for path, (watch, identity) in list(self._watches.items()):
            if wanted.get(path) != identity:
                del self._watches[path]
                watch.end()
        return {path for path, identity in wanted.items() if self._begin(path, identity)}

    def stop(self) -> None:
        """Watch nothing more."""
        asyncio.get_running_loop().remove_reader(self._inotify.fileno())
        self._watches.clear()
        self._inotify.close()

    def _begin(self, path: str, identity: tuple[int, int]) -> bool:
        if path in self._watches:
            return False
        try:
            watch = _Watch(self._inotify, path)
        except OSError:  # gone again, closed to us, or no watches left: `check` tries again
            return False
        self._watches[path] = (watch, identity)
        return True

    def _read(self) -> None:
        paths, overflowed = self._inotify.take()
        if overflowed:
            self._overflowed()
        if interesting := set(filter(self._is_interesting, paths)):
            self._changed(interesting)

    def _is_interesting(self, path: str) -> bool:
        if path in self._files or path in self._awaited or path in self._watches:
            return True
        folder, _, name = path.rpartition("/")
        ends = self._folders.get(folder or "/", ())
        return name.endswith(ends) and not name.startswith(".")


class _Inotify(InotifyFD):
    """One inotify instance, read when its descriptor is readable: its thread is never started."""

    def __init__(self) -> None:
        super().__init__()
        self._is_reading = False  # so that `close` closes
        self.seen: set[str] = set()

    def fileno(self) -> int:
        return self._inotify_fd

    def take(self) -> tuple[set[str], bool]:
        """The paths that had events since the last call; whether events were lost."""
        overflowed = False
        for event in self.read_events():
            overflowed |= event.is_queue_overflow
            self.handle_event(event)
        seen, self.seen = self.seen, set()
        return seen, overflowed


class _Watch:
    """One watched folder; raises OSError if it cannot be watched."""

    def __init__(self, inotify: _Inotify, folder: str) -> None:
        self._inotify = inotify
        self._folder = folder
        self._id = CallbackId(id(self))
        self._number = inotify.add_callback(os.fsencode(folder), _MASK, self, self._id)
        if self._number < 0:  # no permission; watchdog does not report it
            self.end()
            raise PermissionError(folder)

    def end(self) -> None:
        with suppress(OSError):
            self._inotify.remove_callbacks([(self._number, self._id)])

    def on_event(self, event: InotifyEvent) -> None:
        name = os.fsdecode(event.name)
        self._inotify.seen.add(f"{self._folder.rstrip('/')}/{name}" if name else self._folder)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """Nothing to do: `check` finds that the folder is gone."""

    def on_queue_overflow(self) -> None:
        """Nothing to do: `take` reports it."""


def _nearest(folder: str) -> tuple[str, str | None, tuple[int, int]]:
    """The folder or its nearest existing ancestor; what is missing right below; its identity."""
    missing = None
    while True:
        try:
            st = Path(folder).stat()
        except OSError:
            missing, folder = folder, _parent(folder)
        else:
            return folder, missing, (st.st_dev, st.st_ino)


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"
