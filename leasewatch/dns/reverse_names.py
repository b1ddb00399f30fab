"""Names below in-addr.arpa and ip6.arpa (RFC 1035 3.5, RFC 3596 2.5). Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from leasewatch.addresses import Address
from leasewatch.dns import wire

_TAIL4: Final = b"\x07in-addr\x04arpa\0"
_TAIL6: Final = b"\x03ip6\x04arpa\0"
_OCTETS: Final = {str(value).encode(): value for value in range(256)}
_NIBBLES: Final = {f"{value:x}".encode(): value for value in range(16)}


class Block(NamedTuple):
    """The addresses at and below a reverse name."""

    first: Address
    """The lowest one."""
    last: Address
    labels: int
    """Those of the name that give them, before in-addr.arpa or ip6.arpa."""
    below: int
    """Labels in front of these that give none."""

    @property
    def is_whole(self) -> bool:
        """Whether the name is that of one address."""
        return self.first == self.last and not self.below


def name(address: Address) -> bytes:
    """The absolute reverse name of an address, in wire form."""
    if len(address) == 4:
        text = (str(byte) for byte in reversed(address))
        return b"".join(bytes((len(one),)) + one.encode() for one in text) + _TAIL4
    return b"".join(b"\1%c" % nibble for nibble in address.hex()[::-1].encode()) + _TAIL6


def block(folded: bytes) -> Block | None:
    """The addresses below a folded absolute name; None: it is no reverse name."""
    if folded.endswith(_TAIL4):
        tail, values, width, size = _TAIL4, _OCTETS, 8, 4
    elif folded.endswith(_TAIL6):
        tail, values, width, size = _TAIL6, _NIBBLES, 4, 16
    else:
        return None
    parts = list(wire.labels(folded[: -len(tail)]))
    number = used = 0
    for label in reversed(parts):
        if label not in values or used * width == size * 8:
            break
        number = number << width | values[label]
        used += 1
    rest = size * 8 - used * width
    first = number << rest
    last = first | ((1 << rest) - 1)
    addresses = first.to_bytes(size, "big"), last.to_bytes(size, "big")
    return Block(*addresses, used, len(parts) - used)


def apex_labels(version: int, length: int) -> int:
    """How many labels before in-addr.arpa or ip6.arpa the zone of a prefix has.

    A prefix that does not end at a label is several zones: a /22 is four. But no address is a zone
    of its own, so the zone of a /26 is that of its /24, where other names are refused.
    """
    return min(-(-length // 8), 3) if version == 4 else min(-(-length // 4), 31)
