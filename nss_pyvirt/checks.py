"""What a check of `leasewatch doctor` or `nss-pyvirt status` finds: one row. It prints nothing."""

from __future__ import annotations

from typing import Literal, NamedTuple

State = Literal["ok", "warn", "bad", "off", "root"]
"""`warn`: it may fail; `bad`: it fails; `off`: it is not in use; `root`: only root can check it."""


class Row(NamedTuple):
    """One result: what was checked, what was found, and what to type; empty: nothing."""

    state: State
    subject: str
    detail: str
    fix: str = ""
