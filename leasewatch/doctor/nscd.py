"""Whether nscd(8) keeps answers that have changed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from nss_pyvirt.checks import Row

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host

SUBJECT: Final = "nscd"
_CACHES: Final = re.compile(r"^\s*enable-cache\s+hosts\s+yes\b", re.MULTILINE)
_OFF: Final = "set enable-cache hosts no in /etc/nscd.conf, and restart nscd"


def check(host: Host) -> Iterator[Row]:
    """Nsncd and others at nscd's socket keep nothing."""
    if not host.nscd:
        yield Row("ok", SUBJECT, "does not run")
    elif host.nscd not in {"nscd", "unscd", "?"}:
        yield Row("ok", SUBJECT, f"{host.nscd} looks names up, and keeps nothing")
    elif _CACHES.search(host.nscd_settings):
        yield Row("warn", SUBJECT, "keeps hosts: changed names and addresses come late", _OFF)
    else:
        yield Row("ok", SUBJECT, "keeps no hosts")
