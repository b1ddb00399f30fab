"""Wait for processes and end them, by their pidfds.

It imports little: commands that do no more than this start quickly.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal takes 5 ms
import select

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Final

KILL_GRACE: Final = 5.0  # seconds that SIGKILL may take


def wait(pidfd: int, timeout: float) -> bool:
    """Whether the process has ended within `timeout` seconds."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(max(0, round(timeout * 1000))))


def end(pidfd: int, timeout: float) -> bool:
    """Send SIGTERM, and SIGKILL after `timeout` seconds; True: the process has ended."""
    for number, patience in ((_signal.SIGTERM, timeout), (_signal.SIGKILL, KILL_GRACE)):
        send(pidfd, number)
        if wait(pidfd, patience):
            return True
    return False


def send(pidfd: int, number: int) -> None:
    """Send a signal; no error if the process has ended."""
    try:
        _signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return
