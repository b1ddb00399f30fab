"""Change which networks and domains `pyvirt up` starts: those whose key `autostart` is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from leasewatch.files import locks
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.files import DomainFiles, NetworkFiles

if TYPE_CHECKING:
    from leasewatch.paths import Paths

_PATIENCE = 60.0  # seconds that another command on it may take


def switch(paths: Paths, kind: str, name: str, *, on: bool) -> None:
    """Set the key of a "domain" or "network"; UserError without a readable definition."""
    files = DomainFiles(paths, name) if kind == "domain" else NetworkFiles(paths, name)
    shape: type[DomainDefinition | Network] = DomainDefinition if kind == "domain" else Network
    folder = files.definition.parent
    store.check_defined(folder, name, kind)
    with locks.exclusive(files.commands, _PATIENCE):
        found = store.read(folder, name, shape)
        if found.autostart != on:
            store.write(folder, msgspec.structs.replace(found, autostart=on))
