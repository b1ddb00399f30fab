"""Have a guest ask for new leases: its links go down and up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from leasewatch.pyvirt.domains.qmp_session import QmpSession

LINK_DOWN: Final = 2.0
"""Seconds; Linux reports a change of the link up to a second late."""


def bounce(session: QmpSession, cards: Sequence[int]) -> None:
    """Take down the links of these cards of a running guest, and up again. They count from 0."""
    for up in (False, True) if cards else ():
        for card in cards:
            session.ask("set_link", {"name": f"net{card}", "up": up})
        if not up:
            time.sleep(LINK_DOWN)
