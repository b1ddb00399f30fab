"""Knot DNS 3.2 or newer. Pure."""

from __future__ import annotations

from leasewatch.dns.setup.site import Site

CONVERT = (
    r"""sed -E -e 's/^key "?([^" ]*)"? \{{/key:\n  - id: \1/' -e 's/^\s*(algorithm|secret) """
    r""""?([^";]*)"?;/    \1: \2/' -e '/^\}};/d' {key}.key > {file}"""
)


def text(site: Site) -> str:
    """One part, for the end of knot.conf."""
    remotes = [f"{site.label}-{number}" for number in range(1, len(site.primaries) + 1)]
    return f"""\
# For Knot DNS 3.2 or newer: a secondary of {site.apex}.
# 1. Copy {site.source_file} to the name server and give it Knot's format there:
#    {CONVERT.format(key=site.key, file=site.key_file)}
#    Owner root:knot, mode 0640; then remove the copy.
# 2. At the end of /etc/knot/knot.conf (the line with the key once, if there are several hosts):

include: {site.key_file}

# Without block-notify-after-transfer, a second change within a second waits for up to 1 s: Knot
# plans a NOTIFY of its own then. Remove that line if Knot has secondaries of its own.
remote:
{"".join(_remote(site, number) for number in range(len(remotes)))}
acl:
  - id: {site.label}-notify
    address: [{", ".join(dict.fromkeys(one.address for one in site.primaries))}]
    key: {site.key}
    action: notify

# The journal holds the zones: no zone file has to be written at each change.
template:
  - id: {site.label}
    master: [{", ".join(remotes)}]
    acl: {site.label}-notify
    zonefile-sync: -1
    zonefile-load: none
    journal-content: all

zone:
{"".join(_zones(site))}
# 3. knotc reload
"""


def _remote(site: Site, number: int) -> str:
    place = site.primaries[number]
    return f"""\
  - id: {site.label}-{number + 1}
    address: {place.address}@{place.port}
    key: {site.key}
    block-notify-after-transfer: on
"""


def _zones(site: Site) -> list[str]:
    if site.catalog:
        return [
            f"""\
  - domain: {site.catalog}
    template: {site.label}
    catalog-role: interpret
    catalog-template: {site.label}
"""
        ]
    return [f"  - domain: {zone}\n    template: {site.label}\n" for zone in site.zones]
