"""The configuration of the site's name servers, as `leasewatch dns setup` prints it.

In: the settings of this host as a `Site`. Out: text to paste, one module for each name server.
All are pure. The text names the file of the key and never holds the secret. It is for the versions
of Debian 12 and newer ones: BIND 9.18, Knot 3.2, NSD 4.6, PowerDNS 4.7. The tests start the real
programs with it.
"""

from __future__ import annotations

from typing import Final

from leasewatch.dns.setup import bind, knot, nsd, powerdns
from leasewatch.dns.setup.site import Server, Site, describe

SERVERS: Final = {
    "bind": Server(bind.text, "/etc/bind/{key}.key", follows_catalog=True, finds_primaries=True),
    "knot": Server(knot.text, "/etc/knot/{key}.conf", follows_catalog=True),
    "nsd": Server(nsd.text, "/etc/nsd/{key}.conf"),
    "powerdns": Server(powerdns.text, "{key}.key"),
}

__all__ = ["SERVERS", "Server", "Site", "describe"]
