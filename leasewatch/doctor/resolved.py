"""Whether systemd-resolved asks us, for programs that load no NSS module. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from nss_pyvirt.checks import Row

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host

SUBJECT: Final = "resolved"


def check(host: Host) -> Iterator[Row]:
    """Off: leasewatch has no hook yet."""
    where = "leasewatch has no hook" if host.has_resolve_hooks else "this systemd has no hooks"
    yield Row("off", SUBJECT, f"{where}: only NSS knows the names")
