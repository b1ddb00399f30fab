"""What the site's name server needs for the exporter (`[dns.update]`), ready to paste. Pure.

The key may change addresses and the exporter's TXT records below the zone's apex, nothing else.
"""

from __future__ import annotations

from leasewatch.daemon.dns_settings import Update, place
from leasewatch.dns.setup.knot import CONVERT


def bind(update: Update, folder: str) -> str:
    """For BIND 9.18 or newer; `folder` has the keys on this host."""
    zone, key = update.zone, update.key
    return f"""\
// For BIND 9.18 or newer: the primary of {zone}, which takes updates of this host.
// 1. Copy {folder}/{key}.key to /etc/bind/{key}.key: owner root:bind, mode 0640.
// 2. A new zone needs a file, in a folder that BIND may write to:
//    {_new_file(update, f"/var/lib/bind/{zone}.zone")}
//    chown bind: /var/lib/bind/{zone}.zone
// 3. In /etc/bind/named.conf.local. A zone that is there already gets the last two statements:

include "/etc/bind/{key}.key";
zone "{zone}" {{
    type primary;
    file "/var/lib/bind/{zone}.zone";
    update-policy {{ grant {key} wildcard *.{zone} A AAAA TXT; }};
    allow-transfer {{ key {key}; }};  // leasewatch compares the zone after an outage
}};
// 4. rndc reconfig. To edit the file yourself later: rndc freeze {zone}, then rndc thaw.
"""


def knot(update: Update, folder: str) -> str:
    """For Knot 3.2 or newer."""
    zone, key = update.zone, update.key
    convert = CONVERT.format(key=key, file=f"/etc/knot/{key}.conf")
    return f"""\
# For Knot DNS 3.2 or newer: the primary of {zone}, which takes updates of this host.
# 1. Copy {folder}/{key}.key to the name server and give it Knot's format there:
#    {convert}
#    Owner root:knot, mode 0640; then remove the copy.
# 2. A new zone needs a file, in a folder that Knot may write to:
#    {_new_file(update, f"/var/lib/knot/{zone}.zone")}
#    chown knot: /var/lib/knot/{zone}.zone
# 3. At the end of /etc/knot/knot.conf. A zone that is there already gets the last line:

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

# 4. knotc reload. To edit the file yourself later: knotc zone-freeze {zone}, then zone-thaw.
"""


def _new_file(update: Update, path: str) -> str:
    """A command that makes a zone without names; SOA's last number is how long "no" is kept."""
    address = place(update.server).address
    rdtype = "AAAA" if ":" in address else "A"
    records = rf"@ SOA ns1 hostmaster 1 3600 600 604800 5\n@ NS ns1\nns1 {rdtype} {address}\n"
    return rf"printf '$ORIGIN {update.zone}.\n$TTL 300\n{records}' > {path}"
