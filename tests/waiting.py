"""Waiting for what other programs do: with a deadline, and a word of what was waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(what: str, predicate: Callable[[], T], timeout: float = 60) -> T:
    """Poll until `predicate()` is true and return its value; AssertionError names `what`.

    Polls take a third of the time at most: the rest is for the programs that are waited for.
    """
    deadline = time.monotonic() + timeout
    asked = time.monotonic()
    while not (value := predicate()):
        now = time.monotonic()
        if now > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(min(max(0.01, 2 * (now - asked)), 0.5))
        asked = time.monotonic()
    return value
