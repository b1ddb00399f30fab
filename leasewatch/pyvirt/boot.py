"""What `pyvirt up` has to start and `pyvirt down` to stop. Changes nothing, prints nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from leasewatch.files import run_states
from leasewatch.model import DomainState, NetworkState
from leasewatch.neighbours import kernel
from leasewatch.pyvirt.domains.known import KnownDomains
from leasewatch.pyvirt.networks.known import KnownNetworks
from leasewatch.pyvirt.networks.listing import Listing
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import show

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leasewatch.paths import Paths


class Names(NamedTuple):
    """Networks and domains, each in the order in which a person counts."""

    networks: list[str]
    domains: list[str]


class Wanted(NamedTuple):
    """What starts at boot, and the errors of definitions that cannot be read."""

    stopped: Names
    """What is to be started: what else is wanted runs already."""
    late: Names
    """What of that has to wait until `bridges` are there."""
    bridges: list[str]
    """Bridges of the host that are not there yet."""
    all: Names
    errors: list[UserError]


def wanted(paths: Paths) -> Wanted:
    """Domains with `autostart` and their networks, and networks with `autostart`."""
    networks, domains, states = KnownNetworks(paths), KnownDomains(paths), Listing(paths)
    wanted, errors = set(), []
    bridges: dict[str, str] = {}
    needs: dict[str, set[str]] = {}
    for name in networks.names():
        try:
            network = networks.get(name)
        except UserError as error:
            errors.append(error)
            continue
        bridges[name] = network.bridge
        if network.autostart:
            wanted.add(name)
    for name in domains.names():
        try:
            domain = domains.get(name)
        except UserError as error:
            errors.append(error)
            continue
        if domain.autostart:
            needs[name] = {nic.network for nic in domain.nics}
            wanted |= needs[name]
    stopped = Names(
        _sorted(name for name in wanted if states.state(name) == "stopped"),
        _sorted(name for name in needs if not domains.is_running(name)),
    )
    joined = {name for name in stopped.networks if bridges.get(name)}
    absent = {name for name in joined if not is_there(bridges[name])}
    late = Names(_sorted(absent), [name for name in stopped.domains if needs[name] & absent])
    missing = _sorted({bridges[name] for name in absent})
    return Wanted(stopped, late, missing, Names(_sorted(wanted), _sorted(needs)), errors)


def is_there(bridge: str) -> bool:
    """Whether the host has an interface of this name."""
    return bridge in kernel.links()


def started(paths: Paths) -> Names:
    """What runs, or was left by a parent process that was killed."""
    networks = run_states.read_all(paths.network_runs, NetworkState)
    domains = run_states.read_all(paths.domain_runs, DomainState)
    return Names(_sorted(each.name for each in networks), _sorted(each.name for each in domains))


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(names, key=show.natural)
