"""The checks, in the order of a lookup, and how they are run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from leasewatch.doctor import (
    clones,
    conflicts,
    dns,
    dnsmasq,
    firewall,
    following,
    host_keys,
    hosts_file,
    networks,
    nscd,
    old_leases,
    port53,
    publishing,
    resolved,
    routes,
    sources,
)
from leasewatch.doctor.host import Host
from nss_pyvirt.checks import Row
from nss_pyvirt.errors import UserError

Check = Callable[[Host], Iterable[Row]]

CHECKS: Final[dict[str, Check]] = {
    "installation": lambda host: host.installation,
    publishing.SUBJECT: publishing.check,
    hosts_file.SUBJECT: hosts_file.check,
    nscd.SUBJECT: nscd.check,
    sources.SUBJECT: sources.check,
    networks.SUBJECT: networks.check,
    dnsmasq.SUBJECT: dnsmasq.check,
    port53.SUBJECT: port53.check,
    firewall.SUBJECT: firewall.check,
    routes.SUBJECT: routes.check,
    clones.SUBJECT: clones.check,
    conflicts.SUBJECT: conflicts.check,
    old_leases.SUBJECT: old_leases.check,
    host_keys.SUBJECT: host_keys.check,
    resolved.SUBJECT: resolved.check,
    dns.SUBJECT: dns.check,
}


def run(host: Host) -> list[Row]:
    """The rows of every check."""
    return [row for subject, check in CHECKS.items() for row in one(subject, check, host)]


def follow(host: Host, name: str) -> list[Row]:
    """The rows of one name, up to where it ends."""
    return one("lookup", lambda host: following.follow(host, name), host)


def one(subject: str, check: Check, host: Host) -> list[Row]:
    """The rows of one check; the last one says so if it fails."""
    found: list[Row] = []
    try:
        found += check(host)
    except UserError as error:
        found.append(Row("warn", subject, f"cannot be checked: {error.what}", error.hint))
    except PermissionError as error:
        found.append(Row("root", subject, f"not checked: only root can read {error.filename}"))
    except OSError as error:
        found.append(Row("warn", subject, f"cannot be checked: {error}"))
    return found
