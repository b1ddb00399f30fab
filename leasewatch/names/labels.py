"""Which strings may be names.

A guest chooses its DHCP hostname. It may be one LDH label only (RFC 952, RFC 1123), and no name
that means something to programs. The host's owner may choose any name that the NSS module and glibc
can carry.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

RESERVED: Final = frozenset({"broadcasthost", "isatap", "localhost", "wpad"})
"""Names that mean something else to programs. `ip6-*` is reserved too. `*.localhost`, `_gateway`
and `_outbound` are no LDH labels."""

MAX_NAME: Final = 253
"""Characters of a whole name without the final dot (RFC 1035)."""

_LDH = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_OWNER_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def fold(name: str) -> str:
    """The spelling for comparing names: ASCII lower case, no final dot."""
    lower = name.lower() if name.isascii() else name.translate(_LOWER)
    folded = lower.removesuffix(".")
    return name if folded == name else folded  # one string of two: there may be 100,000


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def is_label(text: str, *, underscores: bool = False) -> bool:
    """Whether it is one LDH label in lower case, with underscores if they are allowed."""
    return _LDH.fullmatch(text.replace("_", "a") if underscores else text) is not None


def guest_fault(name: str, reserved: Collection[str] = ()) -> str | None:
    """Why a guest may not have `name`, as the end of a sentence; None: it may.

    `name` and `reserved` are folded. `reserved` has the host's own names and those of the settings.
    """
    if _LDH.fullmatch(name) is None:
        return "is not one label of letters, digits and hyphens"
    if _NUMBER.fullmatch(name):
        return "would be read as an address"
    if name in RESERVED or name.startswith("ip6-") or name in reserved:
        return "is reserved"
    return None


def owner_fault(name: str) -> str | None:
    """Why `name` (folded) cannot be an owner's name, as the end of a sentence; None: it can."""
    if len(name) > MAX_NAME or _OWNER_NAME.fullmatch(name) is None:
        return "is not made of labels of letters, digits, hyphens and underscores"
    last = name.rpartition(".")[2]
    if _NUMBER.fullmatch(last) and all(map(_NUMBER.fullmatch, name.split("."))):
        return "would be read as an address"
    if last == "localhost":
        return "is reserved"
    return None


def qualified(name: str, network: str, suffixes: Mapping[str, str]) -> str | None:
    """NAME.NETWORK.SUFFIX, folded; None: it is too long or not a name.

    `name` has no fault, so it is no number, and neither is the result. `suffixes` are by network.
    """
    tail = _tail(network, suffixes.get(network, "internal"))
    return name + tail if tail and len(name) + len(tail) <= MAX_NAME else None


def heads(name: str) -> Iterator[str]:
    """`name` up to each of its dots: `a` and `a.b` of `a.b.c`."""
    return (name[: dot.start()] for dot in re.finditer(r"\.", name))


@functools.lru_cache
def _tail(network: str, suffix: str) -> str:
    """.NETWORK.SUFFIX, folded; empty: no name can end like that."""
    tail = fold(f".{network}.{suffix}")
    return tail if owner_fault(f"x{tail}") is None else ""
