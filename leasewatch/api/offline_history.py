"""The history without the service: reads its file with the rights of the user who asks."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Final, TypeVar

from leasewatch.api.interface import EventsReply, HistoryReply
from leasewatch.history.reader import HistoryReader
from leasewatch.history.rows import HistoryParameters
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.installer.pieces import start_command

HISTORY_SECONDS: Final = 120.0
"""The file must answer within this time."""
_T = TypeVar("_T")


def history(paths: Paths, asked: HistoryParameters) -> HistoryReply:
    """Who held which address when; raises UserError."""
    pages = _read(paths.history, lambda reader: list(reader.holdings(asked)))
    return HistoryReply(holdings=[row for page in pages for row in page])


def events(paths: Paths, asked: HistoryParameters) -> EventsReply:
    """What happened; raises UserError."""
    pages = _read(paths.history, lambda reader: list(reader.events(asked)))
    return EventsReply(events=[row for page in pages for row in page])


def _read(path: Path, look: Callable[[HistoryReader], _T]) -> _T:
    """What `look` returns or raises; UserError if it takes too long.

    It runs in a thread: the file's owner can replace the file by a FIFO at any moment, and no
    signal ends SQLite's wait for that.
    """
    answer: Future[_T] = Future()

    def run() -> None:
        try:
            answer.set_result(look(HistoryReader(path)))
        except BaseException as error:  # noqa: BLE001  the caller's thread raises it
            answer.set_exception(error)

    with _as_owner(path):
        threading.Thread(target=run, daemon=True).start()
        try:
            return answer.result(HISTORY_SECONDS)
        except TimeoutError:
            what = f"{path} has not answered within {HISTORY_SECONDS:g} s"
            raise UserError(what, "ask for less: --since, --limit", "timeout") from None


@contextlib.contextmanager
def _as_owner(path: Path) -> Iterator[None]:
    """Root becomes the folder's owner for the time being.

    The files that SQLite makes there must be the service's. And the owner may have put a link
    there, to a file that only root may read.
    """
    try:
        path.lstat()
        owner = path.parent.stat()
    except FileNotFoundError:
        what = f"no history yet: {path} does not exist"
        raise UserError(what, start_command(), "unavailable") from None
    except OSError as error:
        what = f"{path}: {error.strerror}"
        raise UserError(what, "run it with sudo, or start the service", "unavailable") from None
    before = os.getegid(), os.geteuid()
    if before[1] == 0:
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        if os.geteuid() != before[1]:
            os.seteuid(before[1])
            os.setegid(before[0])
