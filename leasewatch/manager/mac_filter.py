"""Keep the filter of MACs in step with the domains that run. Starts and ends none."""

from __future__ import annotations

from leasewatch.io import nft, place, run_states
from leasewatch.model import DomainState
from leasewatch.paths import Paths
from leasewatch.virt import mac_filter

_PATIENCE = 10.0  # seconds that others may take


def refresh(paths: Paths) -> None:
    """Make the filter that the run states ask for; raises UserError where there can be none.

    Whole and from what is there, so that it is right again whoever was killed before.
    """
    with place.exclusive(paths.locks / "mac-filter", _PATIENCE):
        running = run_states.read_all(paths.domain_runs, DomainState)
        nft.apply(mac_filter.install(mac_filter.cards(running)))
