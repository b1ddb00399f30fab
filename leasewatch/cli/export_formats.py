"""The published hosts as files of other programs. Pure: hosts in, text out.

Guests choose some of the names. `omitted` says which hosts no file may hold; the formats take the
others, whose names and addresses mean nothing else anywhere: letters, digits, `.`, `_` and `-`.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
_NO_IDENTIFIER: Final = re.compile(r"[^A-Za-z0-9_]")


class Host(NamedTuple):
    """A published host."""

    names: tuple[str, ...]
    """The canonical one, then its aliases."""
    addresses: tuple[str, ...]
    """Best first, none of them link-local."""
    network: str
    """Of the best address; empty: not known."""
    keys: tuple[str, ...] = ()
    """Host keys for ssh: `TYPE BASE64`."""


def omitted(host: Host) -> str | None:
    """Why no file can have the host, as the end of a sentence; None: it can."""
    strange = next((name for name in host.names if not _NAME.fullmatch(name)), None)
    if strange is not None:
        return f"the name {strange} could mean something else in a file"
    return None if host.addresses else "it has no address but link-local ones"


def hosts(found: Iterable[Host]) -> str:
    """Lines of /etc/hosts (hosts(5)), one for each address."""
    return "".join(
        f"{address}\t{' '.join(host.names)}\n" for host in found for address in host.addresses
    )


def ssh_config(found: Iterable[Host]) -> str:
    """Host blocks (ssh_config(5)). Host keys belong to the name: another guest gets the address."""
    return "\n".join(
        f"Host {' '.join(host.names)}\n"
        f"    HostName {host.addresses[0]}\n"
        f"    HostKeyAlias {host.names[0]}\n"
        for host in found
    )


def known_hosts(found: Iterable[Host]) -> str:
    """Lines of a known_hosts file (sshd(8)) for the hosts whose keys are known."""
    return "".join(
        f"{','.join((*host.names, *host.addresses))} {key}\n" for host in found for key in host.keys
    )


def ansible(found: Iterable[Host]) -> str:
    """An inventory in YAML, with a group for each network. Each string is quoted as in JSON."""
    groups = defaultdict[str, list[Host]](list)
    for host in found:
        groups[_group(host.network)].append(host)
    lines = ["all:", "  children:"] if groups else ["all: {}"]
    for group in sorted(groups):
        lines += [f"    {group}:", "      hosts:"]
        for host in groups[group]:
            lines += [
                f"        {json.dumps(host.names[0])}:",
                f"          ansible_host: {json.dumps(host.addresses[0])}",
            ]
    return "\n".join(lines) + "\n"


def _group(network: str) -> str:
    """The name of a group, which must be an identifier and not that of a host."""
    return f"network_{_NO_IDENTIFIER.sub('_', network)}" if network else "no_network"


def prometheus(found: Iterable[Host], port: int) -> str:
    """Targets for file_sd_configs, by address: Prometheus does not ask the NSS module."""
    targets = [
        {
            "targets": [_joined(host.addresses[0], port)],
            "labels": {"instance": host.names[0]}
            | ({"network": host.network} if host.network else {}),
        }
        for host in found
    ]
    return json.dumps(targets, indent=2) + "\n"


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


FORMATS: Final[dict[str, Callable[[Sequence[Host]], str]]] = {
    "ssh-config": ssh_config,
    "known-hosts": known_hosts,
    "hosts": hosts,
    "ansible": ansible,
}
"""Those that need nothing but the hosts."""
