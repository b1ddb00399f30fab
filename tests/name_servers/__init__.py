"""Real name servers for tests: BIND, Knot, NSD, PowerDNS and unbound, on any address and port.

    with running(KNOT, tmp_path / "knot", config=text) as server:
        assert server.ask("web1.lab.test") == ["10.77.0.5"]

They are the programs that `packaging/prepare --test` unpacks, or those of another root
(tests/system/test_name_servers_sid.py). Everything that a server writes is below the folder that it
was given. It knows nothing of what is tested.
"""

from __future__ import annotations

from tests.name_servers.engines import BIND, ENGINES, KNOT, NSD, POWERDNS, UNBOUND
from tests.name_servers.places import HERE, Namespace, Place, free_port
from tests.name_servers.programs import UNPACKED, Programs, installed, need
from tests.name_servers.server import Engine, NameServer, running

__all__ = [
    "BIND",
    "ENGINES",
    "HERE",
    "KNOT",
    "NSD",
    "POWERDNS",
    "UNBOUND",
    "UNPACKED",
    "Engine",
    "NameServer",
    "Namespace",
    "Place",
    "Programs",
    "free_port",
    "installed",
    "need",
    "running",
]
