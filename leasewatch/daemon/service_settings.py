"""The tables [api], [log] and [metrics] of the settings: what concerns the process, not leases."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from leasewatch.daemon.logs import Level

PLACES: Final = 16, 4096
SHARE: Final = 2, 4096
"""The least and the most that a limit may be; leasewatch.service may open more files than that."""
Places = Annotated[int, msgspec.Meta(ge=PLACES[0], le=PLACES[1])]
Share = Annotated[int, msgspec.Meta(ge=SHARE[0], le=SHARE[1])]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[api]` table: how many may be connected to the service, and how many may wait."""

    connections: Annotated[Places, "of all users together, beside root's"] = 1024
    connections_of_user: Annotated[Share, "of one user; root has as many of its own"] = 128
    waits_of_user: Annotated[Share, "calls of Wait and Monitor that one user has at a time"] = 112


class LogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[log]` table."""

    level: Level = "info"


class MetricsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[metrics]` table."""

    listen: str = ""
    """What `endpoint.parse` takes; empty: metrics are off."""
