"""Whether programs read what the service has published last. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from nss_pyvirt.checks import Row
from nss_pyvirt.installer.pieces import start_command

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host

SUBJECT: Final = "publishing"


def check(host: Host) -> Iterator[Row]:
    """Nothing if all is well: the rows of the installation have the age and the generation."""
    served = host.served_generation
    published = host.published_generation()
    if served is not None and published < served:
        detail = f"the service has published generation {served}, the file has {published}"
        yield Row("bad", SUBJECT, detail, start_command())
