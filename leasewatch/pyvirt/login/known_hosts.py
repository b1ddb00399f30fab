"""Keep /run/pyvirt/ssh_known_hosts, by which ssh(1) verifies the first login to a domain."""

from __future__ import annotations

from pathlib import Path

from leasewatch.files import locks
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.files import DomainFiles, NetworkFiles, network_state
from leasewatch.pyvirt.login import host_entries, seed
from nss_pyvirt import replacing

_PATIENCE = 10.0  # seconds that other commands may take


def publish(paths: Paths, domain: DomainDefinition, *, is_filtered: bool) -> None:
    """Publish the host key of a running domain; nothing without a login.

    `is_filtered`: whether the bridges drop what it sends from others' addresses.
    """
    if domain.login is None:
        return
    _, public = seed.host_key(DomainFiles(paths, domain.name))
    names = dict.fromkeys(nic.network for nic in domain.nics)
    found = (network_state(NetworkFiles(paths, name)) for name in names)
    networks = [state for state in found if state is not None]
    line = host_entries.line(domain, networks, public, is_filtered=is_filtered)
    _replace(paths, domain.name, line)


def forget(paths: Paths, name: str) -> None:
    """Remove the host key of a domain that is being deleted."""
    _replace(paths, name, "")


def _replace(paths: Paths, name: str, line: str) -> None:
    file = paths.ssh_known_hosts
    if not line and not file.exists():
        return
    if file.exists() and host_entries.replaced(_text(file), name, line) == _text(file):
        return
    with locks.exclusive(paths.locks / "ssh_known_hosts", _PATIENCE):
        replacing.replace(file, host_entries.replaced(_text(file), name, line).encode())


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""
