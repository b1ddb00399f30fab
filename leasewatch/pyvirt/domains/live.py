"""What of a changed definition a running domain takes over at once: aliases, filter, addresses.

The run state is the parent's. On SIGHUP the parent reads the definition again and writes what
`renewed` says. The command that asked for it then makes the entries for dnsmasq and the filter.
"""

from __future__ import annotations

import contextlib
import signal
import time

import msgspec

from leasewatch.model import DomainState
from leasewatch.pyvirt import nft, process
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.files import DomainFiles, domain_state
from leasewatch.pyvirt.login import known_hosts
from leasewatch.pyvirt.mac_filter.apply import refresh_filter
from leasewatch.pyvirt.networks import hosts_entries
from nss_pyvirt import pidfds
from nss_pyvirt.errors import UserError

_PATIENCE = 5.0  # seconds for the parent to write its run state
_LIVE = {"name", "aliases", "nics", "mac_filtering", "autostart", "stop_timeout", "secret_file"}
"""Keys of a definition that take effect at once; `nics` in part."""


def take_over(
    files: DomainFiles,
    old: DomainDefinition | None,
    new: DomainDefinition,
    patience: float = _PATIENCE,
) -> tuple[str, ...]:
    """Publish the definition `new`, which is written already; returns what waits for a restart.

    It may be repeated: what is there already is no error. Raises OSError, and UserError if the
    parent has not renewed the run state within `patience` seconds.
    """
    state = _renewed_by_parent(files, new, patience)
    if state is None:
        hosts_entries.reduce(files.paths, files.name)
        return ()
    attached = _attached(new, state)
    hosts_entries.renew(files.paths, attached)
    is_filtered = False
    with contextlib.suppress(nft.UnsupportedError):  # its start has reported it
        refresh_filter(files.paths, {nic.network for nic in state.nics})
        is_filtered = new.mac_filtering
    known_hosts.publish(files.paths, attached, is_filtered=is_filtered)
    return waiting(old, new) if old else ()


def renewed(state: DomainState, domain: DomainDefinition) -> DomainState:
    """The run state after its domain was defined anew: the cards stay until the guest ends."""
    fixed = {(nic.network, nic.mac): nic.address or "" for nic in domain.nics}
    nics = tuple(
        msgspec.structs.replace(nic, address=fixed.get((nic.network, nic.mac), nic.address))
        for nic in state.nics
    )
    return msgspec.structs.replace(
        state, aliases=domain.aliases, mac_filtering=domain.mac_filtering, nics=nics
    )


def waiting(old: DomainDefinition, new: DomainDefinition) -> tuple[str, ...]:
    """The keys of `domain set` whose new value waits for a restart of the guest."""
    found = [key for key in new.__struct_fields__ if key not in _LIVE]
    found = [_word(key) for key in found if getattr(old, key) != getattr(new, key)]
    cards = [{(nic.network, nic.mac): nic.address for nic in each.nics} for each in (old, new)]
    if cards[0].keys() != cards[1].keys():
        found.append("network")
    if any(cards[1].get(card, address) != address for card, address in cards[0].items()):
        found.append("address")
    return tuple(found)


def _word(key: str) -> str:
    """What `domain set` calls a key of the definition."""
    return "disk" if key == "disks" else key.replace("_", "-")


def _attached(domain: DomainDefinition, state: DomainState) -> DomainDefinition:
    """The domain with the cards that its guest has now, and those it gets after a restart."""
    there = {(nic.network, nic.mac) for nic in state.nics}
    cards = [
        NicDefinition(network=nic.network, mac=nic.mac, address=nic.address or None)
        for nic in state.nics
    ]
    cards += (nic for nic in domain.nics if (nic.network, nic.mac) not in there)
    return msgspec.structs.replace(domain, nics=tuple(cards))


def _renewed_by_parent(
    files: DomainFiles, domain: DomainDefinition, patience: float
) -> DomainState | None:
    """The run state once the parent has renewed it; None: the domain does not run."""
    said = files.log.stat().st_size if files.log.exists() else 0
    deadline = time.monotonic() + patience
    with process.holder(files.lock) as pidfd:
        if pidfd is None:
            return None
        if (state := domain_state(files)) is not None and not state.since:
            # SIGHUP would end that guest.
            what = f"domain {files.name} was started by an earlier version of pyvirt"
            raise UserError(what, f"sudo pyvirt domain stop {files.name}", "running")
        signal.pidfd_send_signal(pidfd, signal.SIGHUP)
        while (state := domain_state(files)) is None or renewed(state, domain) != state:
            if pidfds.wait(pidfd, 0.001):
                return None
            if time.monotonic() > deadline:
                what = f"domain {files.name} has not taken over its definition"
                raise process.last_error(files.log, said, what)
    return state
