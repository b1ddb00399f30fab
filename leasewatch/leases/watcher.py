"""Which files changed, by inotify(7). It reads none of the files.

Events wait in the kernel while we work, and the kernel joins equal ones. `check` finds folders that
went and came back; call it every few seconds.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

_MODIFY, _CLOSE_WRITE, _MOVED_TO, _CREATE = 0x2, 0x8, 0x80, 0x100
_DELETE, _DELETE_SELF, _OVERFLOW, _IGNORED = 0x200, 0x400, 0x4000, 0x8000
# OPEN and CLOSE_NOWRITE would report our own reads.
_MASK = _MODIFY | _CLOSE_WRITE | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF
_EVENT = struct.Struct("iIII")
"""struct inotify_event: watch, mask, cookie, bytes of the name that follows."""
_BUFFER = 1 << 16


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
        self._watches: dict[str, tuple[int, tuple[int, int]]] = {}
        """By folder: the number of its watch, and device and inode. Two paths may share one."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "cannot get an inotify instance")
        asyncio.get_running_loop().add_reader(self._fd, self._read)

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
        for path, (number, identity) in list(self._watches.items()):
            if wanted.get(path) != identity:
                del self._watches[path]
                if not any(number == other for other, _ in self._watches.values()):
                    self._libc.inotify_rm_watch(self._fd, number)
        return {path for path, identity in wanted.items() if self._begin(path, identity)}

    def stop(self) -> None:
        """Watch nothing more."""
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)

    def _begin(self, path: str, identity: tuple[int, int]) -> bool:
        if path in self._watches:
            return False
        number = self._libc.inotify_add_watch(self._fd, os.fsencode(path), _MASK)
        if number < 0:  # gone again, closed to us, or no watches left: `check` tries again
            return False
        self._watches[path] = number, identity
        return True

    def _read(self) -> None:
        events = os.read(self._fd, _BUFFER)
        folders = defaultdict(list)
        for folder, (number, _) in self._watches.items():
            folders[number].append(folder)
        found: set[str] = set()
        at, overflowed = 0, False
        while at < len(events):
            number, mask, _, size = _EVENT.unpack_from(events, at)
            at += _EVENT.size + size
            name = os.fsdecode(events[at - size : at].rstrip(b"\0"))
            overflowed |= bool(mask & _OVERFLOW)
            for folder in folders[number]:
                path = f"{folder.rstrip('/')}/{name}" if name else folder
                is_known = path in self._files or path in self._awaited or path in self._watches
                ends = self._folders.get(folder, ())
                if is_known or (name.endswith(ends) and not name.startswith(".")):
                    found.add(path)
                if mask & _IGNORED:  # the folder is gone; a new one may get its inode
                    self._watches.pop(folder, None)
        if overflowed:
            self._overflowed()
        if found:
            self._changed(found)


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
