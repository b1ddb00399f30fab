"""The names that dnsmasq refuses to guests that claim them: defined and reserved ones. Pure.

dnsmasq publishes a name in its DNS for the first guest that claims it. Without this list, guests
could be led to an impostor.
"""

from __future__ import annotations

from collections.abc import Iterable

from leasewatch.names import labels

_RESERVED = labels.RESERVED | {"gateway", "ip6-*"}
"""`gateway` is what older versions of systemd call the router (nss-myhostname(8))."""


def kept_names(defined: Iterable[str], host: str, zone: str) -> list[str]:
    """For `dnsmasq_conf.render`, of the defined names and aliases and the host's own name.

    Guests are called LABEL and LABEL.ZONE there, and nothing else.
    """
    found = set(_RESERVED)
    for name in map(labels.fold, (*defined, host.partition(".")[0])):
        label = name.removesuffix(f".{zone}")
        if "." not in label and labels.owner_fault(label) is None:
            found.add(label)
    return sorted(found)
