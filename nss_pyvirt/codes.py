"""The codes of errors, which a script reads. pyvirt(1), section ERRORS, explains them."""

from __future__ import annotations

from typing import Literal

Code = Literal[
    "exists",
    "failed",
    "incomplete",
    "invalid",
    "missing",
    "needs-root",
    "not-found",
    "not-running",
    "pending",
    "running",
    "timeout",
    "unavailable",
    "usage",
]
"""What kind of error it is. Scripts rely on these words: add one, but never change one."""
