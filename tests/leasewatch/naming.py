"""A name policy to play with: leases and domains in a line each. Asserts nothing of the rules."""

from __future__ import annotations

import math
from itertools import count

from leasewatch.addresses import parse, text
from leasewatch.model import (
    Claim,
    Domain,
    DomainState,
    HostRecord,
    Lease,
    LeaseChange,
    Neighbour,
    NeighbourChange,
    Nic,
)
from leasewatch.names.policy import Decision, NamePolicy, Rules

MAC = "52:54:00:00:00:{:02x}".format
IFINDEX = {"lab": 7, "dmz": 8}
SUFFIXES = {"lab": "internal", "dmz": "internal"}


class Host:
    """A policy, and leases and domains in a line each."""

    def __init__(self, **rules: object) -> None:
        self.policy = NamePolicy(Rules(suffixes=SUFFIXES, **rules))  # type: ignore[arg-type]
        self.clock = count(1)
        self.table: dict[str, tuple[HostRecord, ...]] = {}

    def decide(self, touched: set[str]) -> None:
        for name in touched:
            self.table[name] = self.policy.decide(name).records

    def lease(
        self,
        address: str,
        hostname: str | None = None,
        mac: int | str | None = None,
        network: str = "lab",
        *,
        duid: str | None = None,
        first_seen: float | None = None,
        source: str | None = None,
        renewed: float = math.inf,
        expires: int = 2_000_000,
    ) -> Lease:
        at = float(next(self.clock))
        lease = Lease(
            source=source or f"/l/{network}.leases",
            network=network,
            address=parse(address),
            expires=expires,
            hwaddr=MAC(mac) if isinstance(mac, int) else mac,
            hostname=hostname,
            client_id=duid,
        )
        seen = at if first_seen is None else first_seen
        self.decide(self.policy.apply([LeaseChange(None, lease, at, seen, renewed)]))
        return lease

    def release(self, lease: Lease) -> None:
        self.decide(self.policy.apply([LeaseChange(lease, None, 0, 0)]))

    def neighbour(
        self,
        address: str,
        mac: int | None,
        network: str = "lab",
        *,
        seen: float | None = None,
        instead: Neighbour | None = None,
    ) -> Neighbour:
        """The bridge sees `mac` there, None: no machine; `instead` of what it saw before."""
        at = float(next(self.clock)) if seen is None else seen
        neighbour = Neighbour(
            network=network,
            address=parse(address),
            mac="" if mac is None else MAC(mac),
            ifindex=IFINDEX[network],
            since=at,
            seen=at,
            reachable=mac is not None,
        )
        self.decide(self.policy.apply_neighbours([NeighbourChange(instead, neighbour)]))
        return neighbour

    def forget(self, neighbour: Neighbour) -> None:
        self.decide(self.policy.apply_neighbours([NeighbourChange(neighbour, None)]))

    def run(self, *domains: Domain) -> None:
        self.decide(self.policy.set_domains(domains))

    def addresses(self, name: str) -> list[str] | None:
        """What the whole table answers, as it was decided change by change."""
        found = [r for rs in self.table.values() for r in rs if name in r.names]
        assert len(found) <= 1, f"{name} has {len(found)} records"
        return [text(a.address) for a in found[0].addresses] if found else None

    def claims(self, name: str) -> dict[str | None, Claim]:
        decided: Decision = self.policy.decide(name)
        return {text(c.address) if c.address else None: c for c in decided.claims}

    def verdicts(self, name: str) -> dict[str | None, str]:
        return {address: claim.verdict for address, claim in self.claims(name).items()}


def domain(
    name: str,
    *macs: int,
    network: str = "lab",
    started: float = 1,
    nics: tuple[Nic, ...] = (),
    aliases: tuple[str, ...] = (),
) -> DomainState:
    cards = (*(Nic(network, MAC(mac)) for mac in macs), *nics)
    return DomainState(
        name=name, aliases=aliases, nics=cards, pid=1, started=started, pending_until=5000
    )


def foreign(
    name: str,
    mac: int,
    started: float = 1,
    *,
    network: str = "lab",
    runs: bool = True,
    start_seen: bool = True,
    pending_until: int = 5000,
    aliases: tuple[str, ...] = (),
) -> Domain:
    """One that others manage, which mostly do not tell whether it `runs`."""
    return Domain(
        name=name,
        nics=(Nic(network, MAC(mac)),),
        started=started,
        pending_until=pending_until if runs else 0,
        runs=runs,
        start_seen=start_seen,
        aliases=aliases,
    )
