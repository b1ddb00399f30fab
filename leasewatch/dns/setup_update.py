"""What the site's name server needs for the exporter (`[dns.update]`), ready to paste. Pure.

The key may change addresses and the exporter's TXT records below the zone's apex, nothing else.
"""

from __future__ import annotations


def bind(zone: str, key: str) -> str:
    """For BIND 9.18 and newer."""
    return f"""\
# In named.conf. Copy /etc/pyvirt/dns/{key}.key of the host to the name server.
include "/etc/bind/{key}.key";

zone "{zone}" {{
    type primary;
    file "/var/lib/bind/{zone}.zone";  # in a folder that named may write
    update-policy {{ grant {key} wildcard *.{zone} A AAAA TXT; }};
    allow-transfer {{ key {key}; }};  # leasewatch compares the zone after an outage
}};
"""


def knot(zone: str, key: str) -> str:
    """For Knot 3.2 and newer."""
    return f"""\
# In knot.conf. The secret is the one of /etc/pyvirt/dns/{key}.key of the host.
include: /etc/knot/{key}.conf

acl:
  - id: {key}-update
    key: {key}
    action: update
    update-type: [A, AAAA, TXT]
    update-owner: zone
    update-owner-match: sub
  - id: {key}-transfer
    key: {key}
    action: transfer  # leasewatch compares the zone after an outage

zone:
  - domain: {zone}
    acl: [{key}-update, {key}-transfer]
"""
