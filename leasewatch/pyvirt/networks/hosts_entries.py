"""The files in which dnsmasq finds the domains' addresses and names (--dhcp-hostsdir).

A fixed address is listed also while its domain is stopped, or another guest would lease it. The
line stays the same then: dnsmasq 2.90 refuses a change of anything but the address.
"""

from __future__ import annotations

from pathlib import Path

from leasewatch.names.labels import guest_fault
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.files import NetworkFiles
from leasewatch.pyvirt.networks.dnsmasq_conf import hosts_line, is_keyword
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError


def update(paths: Paths, domain: DomainDefinition, *, running: bool) -> None:
    """Write the domain's entry of each of its networks that is started."""
    for network in {nic.network for nic in domain.nics}:
        _write(_entry(paths, domain.name, network), domain, network, running=running)


def reduce(paths: Paths, name: str) -> None:
    """Reduce the entries of a domain that has ended to its fixed addresses, if it has any."""
    domain = _defined(paths, name)
    for folder in paths.network_runs.glob("*/"):
        entry = _entry(paths, name, folder.name)
        if domain is not None:
            _write(entry, domain, folder.name, running=False)
        else:
            entry.unlink(missing_ok=True)


def remove(paths: Paths, name: str) -> None:
    """Remove the entries of a domain that is being deleted."""
    for folder in paths.network_runs.glob("*/"):
        _entry(paths, name, folder.name).unlink(missing_ok=True)


def complete(paths: Paths, network: str) -> None:
    """Write the entries that a network lacks which has started or is being repaired."""
    for name in store.names(paths.domain_definitions):
        entry = _entry(paths, name, network)
        domain = None if entry.exists() else _defined(paths, name)
        if domain is not None:
            running = (paths.domain_runs / f"{name}.json").is_file()
            _write(entry, domain, network, running=running)


def _entry(paths: Paths, name: str, network: str) -> Path:
    return NetworkFiles(paths, network).hosts / name


def _defined(paths: Paths, name: str) -> DomainDefinition | None:
    try:
        return store.read(paths.domain_definitions, name, DomainDefinition)
    except UserError:
        return None


def _write(entry: Path, domain: DomainDefinition, network: str, *, running: bool) -> None:
    # dnsmasq offers a guest no name that a guest could not claim, nor one of its own keywords.
    bearable = guest_fault(domain.name) is None and not is_keyword(domain.name)
    name = domain.name if bearable else None
    text = "".join(
        hosts_line(nic.mac, nic.address, name)
        for nic in domain.nics
        if nic.network == network and (nic.address or (running and name))
    )
    if not text:
        entry.unlink(missing_ok=True)
    elif entry.parent.is_dir() and not (entry.exists() and entry.read_text() == text):
        replacing.replace(entry, text.encode())
