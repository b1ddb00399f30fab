"""Whether systemd-resolved asks us, for programs that load no NSS module. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from nss_pyvirt.checks import Row
from nss_pyvirt.installer import installation, pieces

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host
    from leasewatch.doctor.other_programs import ResolveHook

SUBJECT: Final = "resolved"

_ALONE: Final = "only programs that use NSS know the names"
_SOCKETS: Final = " ".join(pieces.SOCKETS)


def check(host: Host) -> Iterator[Row]:
    """On, or why it is off."""
    yield judge(host.resolve_hook)


def judge(found: ResolveHook) -> Row:
    """The same, of what was found."""
    if not found.runs:
        return Row("off", SUBJECT, f"systemd-resolved does not run: {_ALONE}")
    if found.systemd < pieces.FIRST_WITH_HOOKS:
        systemd = f"systemd {found.systemd}" if found.systemd else "this systemd"
        first = f"{pieces.FIRST_WITH_HOOKS} is the first"
        return Row("off", SUBJECT, f"{systemd} has no hooks ({first}): {_ALONE}")
    if found.installed < len(pieces.SOCKETS):
        what = f"the socket units of the hook are not installed: {_ALONE}"
        return Row("off", SUBJECT, what, installation.repair("leasewatch"))
    if found.listening < len(pieces.SOCKETS) and found.enabled < len(pieces.SOCKETS):
        enable = f"sudo systemctl enable {_SOCKETS} && sudo systemctl restart {pieces.UNIT}"
        return Row("off", SUBJECT, f"the socket units of the hook are disabled: {_ALONE}", enable)
    if found.listening < len(pieces.SOCKETS):
        restart = f"sudo systemctl restart {pieces.UNIT}"
        return Row("bad", SUBJECT, f"the hook's sockets do not listen: {_ALONE}", restart)
    return Row("ok", SUBJECT, "asks leasewatch, so programs without NSS know the names too")
