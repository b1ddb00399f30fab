"""Keep what every user's ssh(1) reads of domains: their host keys, and the names that it waits for.

`nss-pyvirt install` makes ssh read the first file, with --ssh also the second.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from leasewatch.files import locks
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.files import DomainFiles, NetworkFiles, network_state
from leasewatch.pyvirt.login import booting_hosts, host_entries, seed
from nss_pyvirt import replacing

_PATIENCE = 10.0  # seconds that other commands may take


def publish(paths: Paths, domain: DomainDefinition, *, is_filtered: bool) -> None:
    """Publish the names of a running domain and, if it has a login, its host key.

    `is_filtered`: whether the bridges drop what it sends from others' addresses.
    """
    used = dict.fromkeys(nic.network for nic in domain.nics)
    found = (network_state(NetworkFiles(paths, name)) for name in used)
    networks = [state for state in found if state is not None]
    hosts = host_entries.names(domain, networks)
    _replace(
        paths,
        "ssh_config",
        lambda text: booting_hosts.replaced(text, domain.name, hosts, _leasewatch()),
    )
    if domain.login is None:
        return
    _, public = seed.host_key(DomainFiles(paths, domain.name))
    line = host_entries.line(domain, networks, public, is_filtered=is_filtered)
    _replace(paths, "ssh_known_hosts", lambda text: host_entries.replaced(text, domain.name, line))


def forget(paths: Paths, name: str) -> None:
    """Remove what `publish` wrote of a domain that is being deleted."""
    _replace(paths, "ssh_known_hosts", lambda text: text and host_entries.replaced(text, name, ""))
    _replace(
        paths,
        "ssh_config",
        lambda text: text and booting_hosts.replaced(text, name, (), _leasewatch()),
    )


def _leasewatch() -> str:
    """The program `leasewatch` of this installation; empty: it has none."""
    program = f"{sys.prefix}/bin/leasewatch"
    return program if os.access(program, os.X_OK) else ""


def _replace(paths: Paths, which: str, change: Callable[[str], str]) -> None:
    """Change the file that `paths` has under that name."""
    file: Path = getattr(paths, which)
    if change(_text(file)) == _text(file):
        return
    with locks.exclusive(paths.locks / which, _PATIENCE):
        replacing.replace(file, change(_text(file)).encode())


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""
