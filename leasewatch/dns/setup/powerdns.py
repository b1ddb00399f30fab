"""PowerDNS 4.7 or newer, with a backend that can make zones. Pure."""

from __future__ import annotations

from leasewatch.dns.setup.site import Site

_KEY = r"""$(sed -nE 's/^\s*(algorithm|secret) "?([^";]*)"?;/\2/p' {file})"""


def text(site: Site) -> str:
    """Lines for pdns.conf, and commands."""
    return f"""\
# For PowerDNS 4.7 or newer: a secondary of {site.apex}. It needs a
# backend that can make zones: gsqlite3, gmysql, gpgsql or lmdb.
# 1. In /etc/powerdns/pdns.d/leasewatch.conf, once for all hosts, then systemctl restart pdns:

secondary=yes
# PowerDNS looks only so often which NOTIFY it has got: names follow a change after up to 1 s.
xfr-cycle-interval=1

# It never drops a zone whose primary is dead: the names of a dead host stay after the expire of
# its SOA. Remove such a zone yourself: pdnsutil delete-zone ZONE.
# It does not sign its questions for the zones of a catalog. So each zone is listed; a new host
# needs its two lines.
# 2. Copy {site.source_file} to {site.key_file} and run this there; then remove the copy:

pdnsutil import-tsig-key {site.key} {_KEY.format(file=site.key_file)}
{"".join(_zone(site, zone) for zone in site.zones)}\
"""


def _zone(site: Site, zone: str) -> str:
    places = " ".join(map(str, site.primaries))
    return f"""\
pdnsutil create-secondary-zone {zone} {places}
pdnsutil set-meta {zone} AXFR-MASTER-TSIG {site.key}
"""
