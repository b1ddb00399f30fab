"""What the owner wants of a migration, and how it went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from leasewatch.pyvirt.domains.secrets import Secrets
from leasewatch.pyvirt.migration import names
from leasewatch.pyvirt.migration.modes import Options


class Wanted(NamedTuple):
    """What the owner asked for."""

    host: str
    options: Options
    networks: Mapping[str, str]
    """Those that have another name there."""
    address: str = ""
    """For TCP; empty: ssh."""
    secrets: Secrets | None = None
    """Those of the domain's encrypted disks."""


class Moved(NamedTuple):
    """How it went. Seconds."""

    downtime: float
    """From the guest's stop to the destination's word that it runs."""
    total: float
    postcopy: bool
    """The guest went before its memory."""
    problem: str
    """Why its name is not published there; empty: it is."""


class Resumable(msgspec.Struct, frozen=True, kw_only=True):
    """What `--resume` has to know of the migration that was begun."""

    shared: bool
    cards: tuple[names.Card, ...]
