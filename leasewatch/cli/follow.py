"""Rows that are printed one by one, as they come, until the user ends it or the reader leaves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NoReturn

from leasewatch.api.client import NoServiceError
from nss_pyvirt.terminal import frame

RETRY_SECONDS: Final = 1.0
_WIDTHS: Final = {"event": 8, "name": 8, "network": 8, "address": 15}
"""Of columns; longer values move the rest of their line. An IPv6 address fits 80 columns."""


def print_line(row: Mapping[str, Any]) -> None:
    """One event for people: the local time, the columns of `_WIDTHS`, and why."""
    moment = time.strftime("%H:%M:%S", time.localtime(row["time"]))
    cells = [f"{row[key] or '-':<{width}}" for key, width in _WIDTHS.items()]
    line = " ".join([moment, *cells, row["why"] or ""])
    frame.write(frame.printable(line).rstrip() + "\n")


def print_json(row: Mapping[str, Any]) -> None:
    """One event for programs: a JSON object in a line."""
    frame.write(json.dumps({"schema": frame.SCHEMA, **row}) + "\n")


def follow(some: Callable[[], Iterable[None]]) -> NoReturn:
    """Take what `some` has again and again; it raises NoServiceError, which is retried.

    The first time that is an error: then the service does not run at all.
    """
    reached = lost = False
    while True:
        try:
            for _ in some():
                if lost:
                    frame.print_note("leasewatch", "the service answers again")
                reached, lost = True, False
        except NoServiceError:
            if not reached:
                raise
            if not lost:
                frame.print_note("leasewatch", "the service has gone, waiting for it")
            lost = True
            time.sleep(RETRY_SECONDS)
