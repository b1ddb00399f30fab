"""What the look-up of a domain that has just been started may wait for (csrc/pending.h).

Pure: times are Unix seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from leasewatch.names.claimants import Held, is_link_local

IPV6_SECONDS: Final = 8
"""How much longer than DHCP a guest's IPv6 address may take: a router advertisement (RFC 4861)
and duplicate address detection (RFC 4862) after up to a second each, and the guest's own delays."""


class Awaited(NamedTuple):
    """Until when which families may still come."""

    until: int = 0
    families: tuple[Literal[4, 6], ...] = ()


NOT_AWAITED: Final = Awaited()


def awaited(pending_until: int, held: Iterable[Held], *, ipv6: bool) -> Awaited:
    """What a domain that is pending until then may still get beside what is held of it.

    IPv4 is awaited until it is there. So is IPv6 on networks that have it (`ipv6`), yet only for a
    moment longer than IPv4: a guest without any would hold programs up that ask for each family.
    """
    renewed4 = math.inf
    has4 = has6 = False
    for one in held:
        if one.lease.family == 4:
            has4, renewed4 = True, min(renewed4, one.renewed)
        else:
            has6 |= not is_link_local(one.lease)
    until = pending_until
    families: list[Literal[4, 6]] = [] if has4 else [4]
    if ipv6 and not has6:
        families.append(6)
        if has4:
            until = int(min(until, renewed4 + IPV6_SECONDS))
    return Awaited(until, tuple(families)) if families and until else NOT_AWAITED
