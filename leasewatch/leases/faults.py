"""What is wrong with a lease file: in the log once, and for as long as the file has it.

It decides nothing about leases and reads no file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from leasewatch.daemon.logs import Recent, fields
from leasewatch.errors import LostFieldError, ParseError
from leasewatch.files import reading

MAX_FAULTS = 10
"""Lines of one file to log…"""
SECONDS = 60.0
"""…within so long: a guest may choose what cannot be read, with each packet of its own."""

_LOG = logging.getLogger(__name__)
_Fault = tuple[bytes | None, ParseError]


class Faults:
    """Of one file. `stands(record)`: the file has it now; None: it is not understood at all."""

    def __init__(self, stands: Callable[[bytes | None], bool]) -> None:
        self._stands = stands
        self._known: dict[bytes | None, ParseError] = {}
        """Those of former reads may be gone by now."""
        self._recent = Recent()
        self._since = -SECONDS
        self._logged = 0
        self._unsaid = 0

    def take(self, read: reading.Read, faults: list[_Fault], now: float) -> None:
        """Log what has been found in a read; `now` is monotonic, in seconds."""
        if not faults:
            return
        known = self._known | dict(reversed(faults))
        self._known = {record: fault for record, fault in known.items() if self._stands(record)}
        first = now - self._since >= SECONDS
        if first:
            self._say_unsaid(faults[0][1].file)
            self._since, self._logged = now, 0
        for record, fault in faults:
            self._log(read, record, fault)
        if first:
            self._say_unsaid(faults[0][1].file)

    def _log(self, read: reading.Read, record: bytes | None, fault: ParseError) -> None:
        if self._logged == MAX_FAULTS:
            self._unsaid += 1
            return
        if isinstance(fault, LostFieldError):  # its line moves with each renewal of any lease
            at, event = fault.file, "field left out"
        else:
            at, event = f"{fault.file}:{fault.line or _line_of(record, read)}", "malformed"
        shown = fields(at=at, field=fault.field, why=fault.why)
        if self._recent.is_new(event, shown):
            self._logged += 1
            _LOG.warning("%s %s", event, shown)

    def _say_unsaid(self, path: str) -> None:
        if self._unsaid:
            _LOG.warning("malformed %s", fields(path=path, more_lines=self._unsaid))
        self._unsaid = 0

    def current(self, read: reading.Read) -> str | None:
        """What is wrong with the file, last read so: with the whole, a lease or a field of one."""
        standing = list(self._standing())
        if not standing:
            return None
        record, fault = min(standing, key=_rank)
        line = fault.line or _line_of(record, read)
        left_out = ", left out" if isinstance(fault, LostFieldError) else ""
        return f"{f'line {line}: ' if line else ''}{fault.field}{left_out}: {fault.why}"

    def cost_leases(self) -> bool:
        """Whether the file has more leases than can be read."""
        return any(not isinstance(fault, LostFieldError) for _, fault in self._standing())

    def _standing(self) -> Iterator[_Fault]:
        return (one for one in self._known.items() if self._stands(one[0]))


def _rank(one: _Fault) -> tuple[bool, bool]:
    record, fault = one
    return record is not None, isinstance(fault, LostFieldError)


def _line_of(record: bytes | None, read: reading.Read) -> int:
    """Where the record begins, counted from 1; 0: in none of the file itself."""
    data = b"\n" + read.data[read.older :]
    if record is None:
        return 0
    at = data.find(b"\n" + record + b"\n")  # a whole line rather than a part of one
    if at < 0:
        at = data.find(record)
    return data.count(b"\n", 0, at + 1)
