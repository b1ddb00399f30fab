"""Logs the claims to names that fail."""

from __future__ import annotations

from leasewatch.io.journal import NOTICE, Journal
from leasewatch.model import Claim


class ClaimLog:
    """Decides which claims are worth a line."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def report(self, claim: Claim) -> None:
        """Log a decision on a claim if it failed, once."""
        if claim.verdict in {"refused", "conflict"}:
            self._journal.say_once(
                NOTICE,
                f"claim {claim.verdict}",
                name=claim.name,
                network=claim.network,
                mac=claim.mac,
                address=claim.lease.address if claim.lease else None,
                why=claim.reason,
            )
