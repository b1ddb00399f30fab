"""Run a function in a child process without a Python of its own, for tests."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import NoReturn


def fork(act: Callable[[], int]) -> int:
    """Run `act` in a child process; returns its pid. What `act` returns is the exit code.

    The child's exit code is 1, and its stderr has the traceback, if `act` raises.
    """
    with warnings.catch_warnings():
        # Python 3.12 and later warn, for another thread may hold a lock: pytest-xdist's only reads.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _end_with(act)
    return child


def _end_with(act: Callable[[], int]) -> NoReturn:
    code = 1
    try:
        code = act()
    except BaseException:  # noqa: BLE001  else the child would go on as pytest
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)
