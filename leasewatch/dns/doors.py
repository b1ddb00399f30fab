"""Which parts the settings ask for, and how they are connected."""

from __future__ import annotations

from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.dns.part import Part
from leasewatch.dns.table import NameTable
from leasewatch.paths import Paths


def parts(settings: DnsSettings, table: NameTable, paths: Paths) -> list[Part]:
    """The parts, each behind those that it uses; none is started. Raises UserError."""
    del settings, table, paths
    return []
