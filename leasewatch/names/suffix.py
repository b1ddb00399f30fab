"""Which DNS suffixes hosts may have, as NAME.NETWORK.SUFFIX. Pure; knows no file and no network."""

from __future__ import annotations

import re
from typing import Final

HINT: Final = "use internal, or something like lab.internal or lab.test"

LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""One DNS label in lower case; networks are named so too."""

_SPECIAL: Final = {
    "local": "multicast DNS (RFC 6762)",
    "localhost": "this machine itself (RFC 6761)",
    "invalid": "names that do not exist (RFC 6761)",
    "onion": "Tor (RFC 7686)",
    "alt": "systems that are not DNS (RFC 9476)",
}
"""Top-level domains of which resolvers ask somebody else than DNS, or nobody."""


def fault(suffix: str) -> str | None:
    """Why `suffix` cannot be one, as the end of a sentence; None: it can."""
    labels = suffix.split(".")
    if len(suffix) > 120 or not all(map(LABEL.fullmatch, labels)) or labels[-1].isdigit():
        return "is no DNS suffix of lower-case labels without a final dot"
    if labels[-1] in _SPECIAL:
        return f"is for {_SPECIAL[labels[-1]]}"
    return None
