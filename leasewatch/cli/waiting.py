"""What `wait`, `ip --wait` and `connect` have in common: their words, and how they show a wait."""

from __future__ import annotations

import sys
import time

from leasewatch.paths import Paths
from leasewatch.reach import guests
from nss_pyvirt.terminal.status_line import StatusLine

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Final, Self

BOOT: Final = 300
"""Seconds after a domain's start in which its guest boots; an emulated one may need a minute."""
_SOON: Final = 1.0
"""Seconds that a wait takes before it is shown."""


class Shown:
    """Shows on a terminal what is seen of a name, on stderr. Scripts get no line of it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._line = StatusLine("leasewatch")
        err = sys.stderr
        self._is_read = err is not None and err.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._line.clear()

    def __call__(self, seen: str) -> None:
        """Show what was seen last."""
        if self._is_read and self._line.seconds > _SOON:
            self._line(f"waiting for {self._name}: {seen}")


def boots_until(paths: Paths, name: str, seconds: float) -> float | None:
    """Until when the guest of a domain that was started boots (monotonic); None: no longer."""
    state = guests.running(paths, name)
    if state is None:
        return None
    left = state["started"] + seconds - time.time()
    return time.monotonic() + left if 0 < left <= seconds else None
