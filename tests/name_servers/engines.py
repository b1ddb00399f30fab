"""The engines: the configuration and the command line with which each stays within its folder."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.name_servers.server import Engine, Setup

_RNDC_KEY = """
key "rndc" { algorithm hmac-sha256; secret "bm8gc2VjcmV0LCBpbiBhIHRlc3QncyBmb2xkZXI="; };
"""


def _bind(made: Setup) -> dict[str, str]:
    listen, other = "listen-on", "listen-on-v6"
    if ":" in made.address:
        listen, other = other, listen
    named = f"""
options {{
    directory "{made.folder}";
    pid-file "{made.folder}/named.pid";
    session-keyfile "{made.folder}/session.key";
    managed-keys-directory "{made.folder}";
    {listen} port {made.port} {{ {made.address}; }};
    {other} {{ none; }};
    recursion no;
    dnssec-validation no;
    {made.options}
}};
controls {{
    inet {made.address} port {made.control_port} allow {{ any; }} keys {{ "rndc"; }};
}};
{_RNDC_KEY}{made.config}
"""
    rndc = f"""
options {{
    default-key "rndc"; default-server {made.address}; default-port {made.control_port};
}};
{_RNDC_KEY}"""
    return {"named.conf": named, "rndc.conf": rndc}


BIND = Engine(
    "BIND",
    "bind9",
    ("named", "-g", "-n", "1", "-c", "{folder}/named.conf"),
    _bind,
    {"rndc": ("-c", "{folder}/rndc.conf")},
    ("rndc", "stop"),
)


def _knot(made: Setup) -> dict[str, str]:
    conf = f"""
server:
    rundir: "{made.folder}"
    listen: {made.address}@{made.port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    {_indented(made.options)}
control:
    listen: knot.sock
database:
    storage: "{made.folder}"
    journal-db-max-size: 50M
    timer-db-max-size: 5M
log:
  - target: stderr
    any: info
{made.config}
"""
    return {"knot.conf": conf}


KNOT = Engine(
    "Knot",
    "knot",
    ("knotd", "-c", "{folder}/knot.conf"),
    _knot,
    {"knotc": ("-b", "-s", "{folder}/knot.sock")},
    ("knotc", "stop"),
)


def _nsd(made: Setup) -> dict[str, str]:
    conf = f"""
server:
    ip-address: {made.address}@{made.port}
    username: ""
    chroot: ""
    pidfile: ""
    database: ""
    zonesdir: "{made.folder}"
    xfrdir: "{made.folder}"
    xfrdfile: "{made.folder}/xfrd.state"
    zonelistfile: "{made.folder}/zone.list"
    server-count: 1
    {_indented(made.options)}
remote-control:
    control-enable: yes
    control-interface: {made.folder}/nsd.sock
{made.config}
"""
    return {"nsd.conf": conf}


NSD = Engine(
    "NSD",
    "nsd",
    ("nsd", "-d", "-c", "{folder}/nsd.conf"),
    _nsd,
    {"nsd-control": ("-c", "{folder}/nsd.conf")},
    ("nsd-control", "stop"),
)


def _powerdns(made: Setup) -> dict[str, str]:
    conf = f"""
launch=gsqlite3
gsqlite3-database={made.folder}/pdns.db
module-dir={made.programs.pdns_modules}
local-address={made.address}
local-port={made.port}
socket-dir={made.folder}
security-poll-suffix=
disable-syslog=yes
guardian=no
daemon=no
zone-cache-refresh-interval=0
{made.options}
{made.config}
"""
    return {"pdns.conf": conf}


def _make_database(made: Setup) -> None:
    schema = made.programs.root / "usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"
    with closing(sqlite3.connect(made.folder / "pdns.db")) as database:
        database.executescript(schema.read_text())


POWERDNS = Engine(
    "PowerDNS",
    "pdns-server",
    ("pdns_server", "--config-dir={folder}"),
    _powerdns,
    {
        "pdns_control": ("--config-dir={folder}", "--socket-dir={folder}"),
        "pdnsutil": ("--config-dir={folder}",),
    },
    ("pdns_control", "quit"),
    _make_database,
)


def _unbound(made: Setup) -> dict[str, str]:
    conf = f"""
server:
    interface: {made.address}@{made.port}
    username: ""
    chroot: ""
    pidfile: ""
    directory: "{made.folder}"
    use-syslog: no
    logfile: ""
    num-threads: 1
    do-not-query-localhost: no
    {_indented(made.options)}
remote-control:
    control-enable: yes
    control-use-cert: no
    control-interface: {made.folder}/unbound.sock
{made.config}
"""
    return {"unbound.conf": conf}


UNBOUND = Engine(
    "unbound",
    "unbound",
    ("unbound", "-d", "-c", "{folder}/unbound.conf"),
    _unbound,
    {"unbound-control": ("-c", "{folder}/unbound.conf")},
    ("unbound-control", "stop"),
)

ENGINES = (BIND, KNOT, NSD, POWERDNS)
"""Those that serve zones; unbound asks them."""


def _indented(text: str) -> str:
    return text.strip().replace("\n", "\n    ")
