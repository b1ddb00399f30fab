"""What is wrong with a lease file: each fault is logged once, and shown while the file has it.

It decides nothing about leases and reads no file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from leasewatch.daemon.logs import Recent, fields
from leasewatch.errors import LostFieldError, ParseError
from leasewatch.files import reading

MAX_FAULTS = 10
"""How many faults of one file are logged…"""
SECONDS = 60.0
"""…in so many seconds: a guest can cause a new fault with each of its packets."""

_LOG = logging.getLogger(__name__)
_Fault = tuple[bytes | None, ParseError]


class Faults:
    """The faults of one file. `has` is `LeaseTracker.has`."""

    def __init__(self, has: Callable[[bytes | None], bool]) -> None:
        self._has = has
        self._known: dict[bytes | None, ParseError] = {}
        """By record; the file may have lost some since."""
        self._recent = Recent()
        self._since = -SECONDS
        self._logged = 0
        self._left_out = 0

    def take(self, read: reading.Read, faults: list[_Fault], now: float) -> None:
        """Log the faults of a read; `now` is monotonic, in seconds."""
        known = self._known | dict(reversed(faults))
        self._known = {record: fault for record, fault in known.items() if self._has(record)}
        first = now - self._since >= SECONDS
        if first:
            self._log_left_out(faults[0][1].file)
            self._since, self._logged = now, 0
        for record, fault in faults:
            self._log(read, record, fault)
        if first:
            self._log_left_out(faults[0][1].file)

    def _log(self, read: reading.Read, record: bytes | None, fault: ParseError) -> None:
        if self._logged == MAX_FAULTS:
            self._left_out += 1
            return
        if isinstance(fault, LostFieldError):  # the number of its line changes with each renewal
            at, event = fault.file, "field omitted"
        else:
            at, event = f"{fault.file}:{fault.line or _line_of(record, read)}", "malformed"
        shown = fields(at=at, field=fault.field, why=fault.why)
        if self._recent.is_new(event, shown):
            self._logged += 1
            _LOG.warning("%s %s", event, shown)

    def _log_left_out(self, path: str) -> None:
        if self._left_out:
            _LOG.warning("malformed %s", fields(path=path, more_lines=self._left_out))
        self._left_out = 0

    def current(self, read: reading.Read) -> str | None:
        """The worst fault of the file, whose last read is `read`; None: it has none."""
        standing = list(self._standing())
        if not standing:
            return None
        record, fault = min(
            standing, key=lambda one: (one[0] is not None, isinstance(one[1], LostFieldError))
        )
        line = fault.line or _line_of(record, read)
        left_out = ", omitted" if isinstance(fault, LostFieldError) else ""
        return f"{f'line {line}: ' if line else ''}{fault.field}{left_out}: {fault.why}"

    def cost_leases(self) -> bool:
        """Whether some leases of the file cannot be read."""
        return any(not isinstance(fault, LostFieldError) for _, fault in self._standing())

    def _standing(self) -> Iterator[_Fault]:
        return (one for one in self._known.items() if self._has(one[0]))


def _line_of(record: bytes | None, read: reading.Read) -> int:
    """The number of the line where the record begins; 0: not in the file itself."""
    data = b"\n" + read.data[read.older :]
    if record is None:
        return 0
    at = data.find(b"\n" + record + b"\n")  # prefer a whole line
    if at < 0:
        at = data.find(record)
    return data.count(b"\n", 0, at + 1)
