"""Which files changed: watchdog's inotify, read in the event loop; it reads none of the files.

watchdog's observers pass each event through three threads, take every one of a thousand writes by
itself and stall or end in ways one must know. So only the layer below them is used, and without its
thread: what happens while we work waits in the kernel, which joins equal events. Folders that went
and came back are found by `check`, to be called every few seconds.
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

# OPEN and CLOSE_NOWRITE would tell of our own reads.
_MASK = Mask(
    InotifyConstants.IN_MODIFY
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_CREATE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_DELETE_SELF
)


class Watcher:
    """Calls `changed(paths)` in the event loop with the interesting paths that had events.

    `overflowed()` says that events were lost: look at everything.
    """

    def __init__(self, changed: Callable[[set[str]], None], overflowed: Callable[[], None]) -> None:
        self._changed = changed
        self._overflowed = overflowed
        self._files: frozenset[str] = frozenset()
        self._folders: dict[str, tuple[str, ...]] = {}
        self._awaited: frozenset[str] = frozenset()
        """Paths whose appearance lets a folder be watched, or be watched from nearer."""
        self._watches: dict[str, tuple[_Watch, tuple[int, int]]] = {}
        self._inotify = _Inotify()
        asyncio.get_running_loop().add_reader(self._inotify.fileno(), self._read)

    def watch(self, files: Collection[str], folders: Mapping[str, Collection[str]]) -> set[str]:
        """Be interested in these files, and in what is directly in these folders.

        Of a folder matter the names with one of the ends it maps to; hidden ones are files being
        written. Neither need exist. Returns the folders that are watched from now on: what happened
        in them before was not seen.
        """
        self._files = frozenset(files)
        self._folders = {folder: tuple(ends) for folder, ends in folders.items()}
        return self.check()

    def check(self) -> set[str]:
        """Follow folders that went, came or were replaced.

        Returns the folders that are watched anew, as `watch` does.
        """
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
        except OSError:  # gone again, closed to us, or no watches left: `check` comes back to it
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
        """The paths that had events since the last call, and whether events were lost."""
        overflowed = False
        for event in self.read_events():
            overflowed |= event.is_queue_overflow
            self.handle_event(event)
        seen, self.seen = self.seen, set()
        return seen, overflowed


class _Watch:
    """One watched folder; raises OSError where it cannot be watched."""

    def __init__(self, inotify: _Inotify, folder: str) -> None:
        self._inotify = inotify
        self._folder = folder
        self._id = CallbackId(id(self))
        self._number = inotify.add_callback(os.fsencode(folder), _MASK, self, self._id)
        if self._number < 0:  # for want of rights; watchdog does not say so
            self.end()
            raise PermissionError(folder)

    def end(self) -> None:
        with suppress(OSError):
            self._inotify.remove_callbacks([(self._number, self._id)])

    def on_event(self, event: InotifyEvent) -> None:
        name = os.fsdecode(event.name)
        self._inotify.seen.add(f"{self._folder.rstrip('/')}/{name}" if name else self._folder)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """The folder is gone: `check` sees it."""

    def on_queue_overflow(self) -> None:
        """The whole instance says it."""


def _nearest(folder: str) -> tuple[str, str | None, tuple[int, int]]:
    """The folder, or its nearest ancestor that exists; what is missing below that; its identity."""
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
