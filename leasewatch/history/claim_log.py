"""Logs the claims to names that fail, but no more than a person can read.

A guest can make claims as fast as its DHCP client can ask. `now` is monotonic, in seconds.
"""

from __future__ import annotations

import logging
from typing import Final

from leasewatch import addresses
from leasewatch.daemon.counters import Counters
from leasewatch.daemon.logs import NOTICE, Recent, fields
from leasewatch.leases.allowance import Allowance
from leasewatch.model import Claim

OF_CLIENT: Final = 10, 60.0
"""Lines of one client at once, and seconds for each further one."""
OF_ALL: Final = 1000, 1.0
"""The same for all clients together."""
COUNT_SECONDS: Final = 60.0
"""How often the number of claims that were not logged is logged."""
_MEMORY: Final = 4096
_LOG = logging.getLogger(__name__)


class ClaimLog:
    """Logs each failed claim once, within the limits."""

    def __init__(self, counters: Counters | None = None) -> None:
        self._counters = counters or Counters()
        self._failed = Recent(_MEMORY)
        """The last claims that failed, whether they were logged or not."""
        self._of_client = Allowance(*OF_CLIENT)
        self._of_all = Allowance(*OF_ALL)
        self._left_out = 0
        self._last = ""
        """The last client whose claim was not logged."""
        self._counted = -COUNT_SECONDS

    def failed(self, claim: Claim, now: float) -> None:
        """Log a claim that was refused or is in conflict, unless it was before."""
        address = addresses.text(claim.address) if claim.address else None
        what = (claim.verdict, claim.name, claim.network, claim.mac, address, claim.reason)
        if not self._failed.is_new(*what):
            return
        if claim.verdict == "conflict":
            self._counters.claims_in_conflict += 1
        else:
            self._counters.claims_refused += 1
        who = f"{claim.mac or address} on {claim.network}"
        if not (self._of_client.take(who, now) and self._of_all.take("", now)):
            self._left_out, self._last = self._left_out + 1, who
            return
        shown = fields(
            name=claim.name,
            network=claim.network,
            mac=claim.mac,
            address=address,
            why=claim.reason,
        )
        _LOG.log(NOTICE, "claim %s %s", claim.verdict, shown)

    def count(self, now: float) -> None:
        """Log how many claims were not logged, at most every COUNT_SECONDS."""
        if self._left_out and now - self._counted >= COUNT_SECONDS:
            left_out, self._left_out, self._counted = self._left_out, 0, now
            _LOG.log(NOTICE, "claims not logged %s", fields(count=left_out, last=self._last))
