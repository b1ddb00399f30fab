"""Which files changed, by inotify(7). It reads none of the files.

It uses watchdog's inotify layer in the event loop, without its thread. watchdog's observers pass
each event through three threads, and may stall or end. Here, events wait in the kernel while we
work, and the kernel joins equal ones. `check` finds folders that went and came back; call it every
few seconds.
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
        self._watches: dict[str, tuple[WatchDescriptor, tuple[int, int]]] = {}
        """By folder: its watch, and device and inode. Two paths of a folder share a watch."""
        self._seen: set[str] = set()
        """The paths of the current events…"""
        self._lost = False
        """…and whether some were lost."""
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
                self._watches.pop(path, None)
                with suppress(OSError):
                    self._inotify.remove_callbacks([(watch, _id(path))])
        return {path for path, identity in wanted.items() if self._begin(path, identity)}

    def stop(self) -> None:
        """Watch nothing more."""
        asyncio.get_running_loop().remove_reader(self._inotify.fileno())
        self._watches.clear()
        self._inotify.close()

    def on_event(self, event: InotifyEvent) -> None:
        """Note the path of an event. This and the next two are watchdog's `WatchCallback`."""
        name = os.fsdecode(event.name)
        for folder in [path for path, (watch, _) in self._watches.items() if watch == event.wd]:
            path = f"{folder.rstrip('/')}/{name}" if name else folder
            is_known = path in self._files or path in self._awaited or path in self._watches
            ends = self._folders.get(folder, ())
            if is_known or (name.endswith(ends) and not name.startswith(".")):
                self._seen.add(path)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """Forget a folder that is gone: a new one may get its inode."""
        self._watches = {path: one for path, one in self._watches.items() if one[0] != wd}

    def on_queue_overflow(self) -> None:
        """Note that events were lost."""
        self._lost = True

    def _begin(self, path: str, identity: tuple[int, int]) -> bool:
        if path in self._watches:
            return False
        try:
            watch = self._inotify.add_callback(os.fsencode(path), _MASK, self, _id(path))
        except OSError:  # gone again, or no watches left: `check` tries again
            return False
        if watch < 0:  # no permission; watchdog does not report it
            self._inotify.remove_callbacks([(watch, _id(path))])
            return False
        self._watches[path] = watch, identity
        return True

    def _read(self) -> None:
        self._seen, self._lost = set(), False
        for event in self._inotify.read_events():
            self._inotify.handle_event(event)
        if self._lost:
            self._overflowed()
        if self._seen:
            self._changed(self._seen)


class _Inotify(InotifyFD):
    """One inotify instance, read when its descriptor is readable: its thread is never started."""

    def __init__(self) -> None:
        super().__init__()
        self._is_reading = False  # so that `close` closes

    def fileno(self) -> int:
        return self._inotify_fd


def _id(path: str) -> CallbackId:
    return CallbackId(hash(path))


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
