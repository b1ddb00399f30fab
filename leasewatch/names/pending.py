"""Which addresses of a just started domain lookups may wait for (csrc/pending.h).

Times are Unix seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, Literal

from leasewatch.addresses import has_scope
from leasewatch.names.ledger import Held

IPV6_SECONDS: Final = 8
"""How much longer than DHCP a guest's IPv6 address may take. Router advertisement (RFC 4861) and
duplicate address detection (RFC 4862) begin after up to a second each; the guest adds delays."""


Awaited = tuple[int, tuple[Literal[4, 6], ...]]
"""`pending_until` and `awaited` of a host record."""
NOT_AWAITED: Final[Awaited] = 0, ()


def awaited(pending_until: int, held: Iterable[Held], *, ipv6: bool) -> Awaited:
    """The families that a domain pending until then may still get, beside what it holds.

    IPv4 is awaited until it is there. IPv6 is awaited on networks that have it (`ipv6`), but not
    longer than `IPV6_SECONDS` after IPv4. A guest without IPv6 would delay every program that asks
    for both.
    """
    renewed4 = math.inf
    has4 = has6 = False
    for one in held:
        if len(one.address) == 4:
            has4, renewed4 = True, min(renewed4, one.renewed)
        else:
            has6 |= not has_scope(one.address)
    until = pending_until
    families: list[Literal[4, 6]] = [] if has4 else [4]
    if ipv6 and not has6:
        families.append(6)
        if has4:
            until = int(min(until, renewed4 + IPV6_SECONDS))
    return (until, tuple(families)) if families and until else NOT_AWAITED
