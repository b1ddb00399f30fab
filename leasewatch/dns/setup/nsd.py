"""NSD 4.6 or newer; it follows catalogs from 4.9 on. Pure."""

from __future__ import annotations

from leasewatch.dns.setup.site import Site

CONVERT = (
    r"""sed -E -e 's/^key "?([^" ]*)"? \{{/key:\n    name: "\1"/' -e """
    r"""'s/^\s*(algorithm|secret) "?([^";]*)"?;/    \1: "\2"/' -e '/^\}};/d' {key}.key > {file}"""
)


def text(site: Site) -> str:
    """One part, for a file of its own."""
    return f"""\
# For NSD {"4.9" if site.catalog else "4.6"} or newer: a secondary of {site.apex}.
# 1. Copy {site.source_file} to the name server and give it NSD's format there:
#    {CONVERT.format(key=site.key, file=site.key_file)}
#    Owner root:nsd, mode 0640; then remove the copy.
# 2. In /etc/nsd/nsd.conf.d/{site.label}.conf (the line with the key once, if there are several
#    hosts):

include: "{site.key_file}"

# NSD waits 1 s before it serves what it got; 0: it serves it at once.
server:
    xfrd-reload-timeout: 0

pattern:
    name: "{site.label}"
    zonefile: "%s.zone"
{"".join(_primary(site, number) for number in range(len(site.primaries)))}
{"".join(_zones(site))}\
# 3. nsd-control reconfig
"""


def _primary(site: Site, number: int) -> str:
    place = site.primaries[number]
    return f"""\
    request-xfr: {place.address}@{place.port} {site.key}
    allow-notify: {place.address} {site.key}
"""


def _zones(site: Site) -> list[str]:
    if site.catalog:
        return [
            f"""\
zone:
    name: "{site.catalog}"
    catalog: consumer
    catalog-member-pattern: "{site.label}"
    include-pattern: "{site.label}"

"""
        ]
    made = f'    include-pattern: "{site.label}"'
    return [f'zone:\n    name: "{zone}"\n{made}\n\n' for zone in site.zones]
