"""Whether programs read what the service has published last. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from leasewatch.api.client import NoServiceError
from nss_pyvirt.checks import Row
from nss_pyvirt.installer.pieces import start_command

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host

SUBJECT: Final = "publishing"


def check(host: Host) -> Iterator[Row]:
    """Nothing if all is well: the rows of the installation have the age and the generation."""
    served = host.served
    if isinstance(served, NoServiceError):
        if any(row.subject == "service" and row.state == "ok" for row in host.installation):
            yield Row("bad", SUBJECT, served.what, start_command())
    elif (published := host.published_generation()) < served.generation:
        detail = f"the service has published generation {served.generation}"
        yield Row("bad", SUBJECT, f"{detail}, the file has {published}", start_command())
