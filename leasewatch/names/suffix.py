"""Which DNS suffixes are allowed in NAME.NETWORK.SUFFIX."""

from __future__ import annotations

from typing import Final

from leasewatch.names.labels import is_label

HINT: Final = "use internal, or something like lab.internal or lab.test"

_SPECIAL: Final = {
    "local": "multicast DNS (RFC 6762)",
    "localhost": "this machine itself (RFC 6761)",
    "invalid": "names that do not exist (RFC 6761)",
    "onion": "Tor (RFC 7686)",
    "alt": "systems that are not DNS (RFC 9476)",
}
"""Top-level domains that resolvers do not look up in DNS."""


def fault(suffix: str) -> str | None:
    """Why `suffix` is not allowed, as the end of a sentence; None: it is."""
    labels = suffix.split(".")
    if len(suffix) > 120 or not all(map(is_label, labels)) or labels[-1].isdigit():
        return "is no DNS suffix of lower-case labels without a final dot"
    if labels[-1] in _SPECIAL:
        return f"is for {_SPECIAL[labels[-1]]}"
    return None
