"""BIND 9.18 or newer. Pure."""

from __future__ import annotations

from leasewatch.dns.setup.site import Site


def text(site: Site) -> str:
    """Two parts: statements for `options`, and statements that follow it."""
    return f"""\
// For BIND 9.18 or newer: a secondary of {site.apex}.
// 1. Copy {site.source_file} to {site.key_file}: owner root:bind, mode 0640.
// 2. Inside "options {{ … }};" (Debian: /etc/bind/named.conf.options):

// BIND's own minimum is 300 s for refresh and 500 s for retry, and it keeps a zone for their sum.
// So it would keep the names of a dead host for 800 s. With these it keeps SOA's expire.
min-refresh-time 5;
min-retry-time 5;
// 20 questions for serials a second are the default: hosts that change at once would wait.
serial-query-rate 1000;
{_transfers(site)}{_catalog_zones(site) if site.catalog else ""}
// 3. Outside of it (Debian: /etc/bind/named.conf.local). If there are several hosts, the line with
//    the key and part 2 are there once:

include "{site.key_file}";
{"".join(_zone(site, zone) for zone in _written(site))}\
// 4. rndc reconfig
"""


def _written(site: Site) -> tuple[str, ...]:
    """The zones that need a statement: BIND makes the zones of a catalog itself."""
    return (site.catalog,) if site.catalog else site.zones


def _primaries(site: Site) -> str:
    places = [f"{one.address} port {one.port} key {site.key};" for one in site.primaries]
    return " ".join(places)


def _transfers(site: Site) -> str:
    if not site.is_hub:
        return "transfers-in 50;\n"
    return """\
// All hosts' zones come from one primary: 10 transfers in all, 2 of one primary are the defaults.
transfers-in 100;
transfers-per-ns 50;
"""


def _catalog_zones(site: Site) -> str:
    return f"""\
// BIND 9.18 gives its zones to everyone: "allow-transfer {{ none; }};" ends that, also for these.
// The catalog names the zones: hosts come and go without a change here. 5 s is the default.
catalog-zones {{
    zone "{site.catalog}" default-primaries {{ {_primaries(site)} }} min-update-interval 1;
}};
"""


def _zone(site: Site, zone: str) -> str:
    hidden = "    allow-query { none; };\n" if zone == site.catalog else ""
    return f"""\
zone "{zone}" {{
    type secondary;
    primaries {{ {_primaries(site)} }};
    allow-notify {{ key {site.key}; }};
    allow-transfer {{ none; }};
    file "{zone}.db";
{hidden}}};
"""
