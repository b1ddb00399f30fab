"""Whether ssh(1) reads the host keys that pyvirt gives its domains. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from nss_pyvirt.checks import Row

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host

SUBJECT: Final = "host keys"
FILE: Final = "/run/pyvirt/ssh_known_hosts"
_KEYS: Final = ("globalknownhostsfile", "userknownhostsfile")


def check(host: Host) -> Iterator[Row]:
    """Asks ssh itself, because a file of the user may replace the setting."""
    name = min(host.domain_names, default="")
    if not name:
        yield Row("ok", SUBJECT, "pyvirt has no domains")
        return
    settings = host.ssh(name)
    if settings is None:
        yield Row("ok", SUBJECT, "ssh is not installed")
    else:
        yield judge(settings)


def judge(settings: Mapping[str, str]) -> Row:
    """The row for what `ssh -G` prints."""
    if any(FILE in settings.get(key, "").split() for key in _KEYS):
        return Row("ok", SUBJECT, f"ssh reads {FILE}")
    used = settings.get(_KEYS[0], "nothing")
    detail = f"ssh reads {used}, so it asks at the first login to a domain"
    fix = f"remove GlobalKnownHostsFile from ~/.ssh/config, or add {FILE} to it"
    return Row("warn", SUBJECT, detail, fix)
