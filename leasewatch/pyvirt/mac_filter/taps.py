"""Whose tap is whose, by the run states of domains. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from leasewatch.model import DomainState, Nic


def owners(domains: Iterable[DomainState]) -> dict[str, tuple[DomainState, Nic]]:
    """Domain and card of each tap; a name that two have is that of the domain started last.

    A domain whose parent was killed is still there, and the kernel gives its tap's name away: so
    ask of all domains, and choose among the taps then.
    """
    return {
        nic.tap: (domain, nic)
        for domain in sorted(domains, key=lambda domain: domain.started)
        for nic in domain.nics
        if nic.tap
    }
