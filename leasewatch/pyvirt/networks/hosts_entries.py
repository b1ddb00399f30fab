"""The files in which dnsmasq finds the domains' addresses and names (--dhcp-hostsdir).

A fixed address is listed also while its domain is stopped, or another guest would lease it. The
line stays the same then: dnsmasq 2.90 refuses a change of anything but the address.
"""

from __future__ import annotations

import contextlib

from leasewatch.names.labels import guest_fault
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.files import NetworkFiles
from leasewatch.pyvirt.networks.dnsmasq_conf import hosts_line, is_keyword
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError

_RESERVED = "+"
"""How the entry of a reservation begins. No domain's name begins so."""


def update(paths: Paths, domain: DomainDefinition, *, running: bool) -> None:
    """Write the domain's entry of each of its networks that is started."""
    for network in {nic.network for nic in domain.nics}:
        _write(paths, domain.name, network, domain, running=running)


def renew(paths: Paths, domain: DomainDefinition) -> None:
    """Write the entries of a running domain that was defined anew, and remove its earlier ones."""
    for folder in paths.network_runs.glob("*/"):
        _write(paths, domain.name, folder.name, domain, running=True)


def reduce(paths: Paths, name: str) -> None:
    """Reduce the entries of a domain that has ended to its fixed addresses, if it has any."""
    domain = _defined(paths, name)
    for folder in paths.network_runs.glob("*/"):
        _write(paths, name, folder.name, domain, running=False)


def remove(paths: Paths, name: str) -> None:
    """Remove the entries of a domain that is being deleted."""
    for folder in paths.network_runs.glob("*/"):
        _write(paths, name, folder.name, None, running=False)


def reserve(files: NetworkFiles, network: Network) -> None:
    """Make the entries of the reservations those of a started network; no other entry changes."""
    wanted = {
        f"{_RESERVED}{each.name}": hosts_line(
            each.mac, each.address, None if is_keyword(each.name) else each.name
        )
        for each in network.reserved
    }
    for entry in files.hosts.glob(f"{_RESERVED}*"):
        if entry.name not in wanted:
            entry.unlink(missing_ok=True)
    for name, text in wanted.items():
        entry = files.hosts / name
        if files.hosts.is_dir() and not (entry.exists() and entry.read_text() == text):
            replacing.replace(entry, text.encode())


def complete(paths: Paths, network: str) -> None:
    """Write the entries that a network lacks which has started or is being repaired."""
    for name in store.names(paths.domain_definitions):
        if not (NetworkFiles(paths, network).hosts / name).exists():
            running = (paths.domain_runs / f"{name}.json").is_file()
            _write(paths, name, network, _defined(paths, name), running=running)


def _defined(paths: Paths, name: str) -> DomainDefinition | None:
    with contextlib.suppress(UserError):
        return store.read(paths.domain_definitions, name, DomainDefinition)
    return None


def _write(
    paths: Paths, name: str, network: str, domain: DomainDefinition | None, *, running: bool
) -> None:
    """Write or remove the entry of the domain `name`; `domain` is None where it has none."""
    # dnsmasq offers a guest no name that a guest could not claim, nor one of its own keywords.
    shown = None if guest_fault(name) or is_keyword(name) else name
    entry = NetworkFiles(paths, network).hosts / name
    text = "".join(
        hosts_line(nic.mac, nic.address, shown)
        for nic in (domain.nics if domain else ())
        if nic.network == network and (nic.address or (running and shown))
    )
    if not text:
        entry.unlink(missing_ok=True)
    elif entry.parent.is_dir() and not (entry.exists() and entry.read_text() == text):
        replacing.replace(entry, text.encode())
