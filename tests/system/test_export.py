"""`leasewatch export` with the real service, for programs that read the files."""

from __future__ import annotations

import json
import time

from tests.system.world import World

LEASES = "/var/lib/pyvirt/leases/lab.leases"
SET_UP = f"""
mkdir -p /etc/pyvirt /var/lib/pyvirt/leases
printf '[[source]]\\npath = "{LEASES}"\\nnetwork = "lab"\\n' >/etc/pyvirt/leasewatch.toml
cat >{LEASES}
"""
# Only /etc/hosts is asked, with the exported file in its place.
WITH_HOSTS = """
leasewatch export hosts >/tmp/exported
mount --bind /tmp/exported /etc/hosts
getent --service=hosts:files ahosts "$0"
"""


def test_etc_hosts_and_scrapers_get_what_is_published_and_nothing_else(world: World) -> None:
    later = int(time.time()) + 3600
    leases = f"{later} 52:54:00:00:00:05 10.77.0.5 web1 *\n0 52:54:00:00:00:06 10.77.0.6 wpad *\n"
    world.run(["sh", "-ec", SET_UP], input=leases)
    world.serve()
    for name in ("web1", "web1.lab.internal"):
        shown = world.run(["unshare", "--mount", "sh", "-ec", WITH_HOSTS, name]).stdout
        assert {line.split()[0] for line in shown.splitlines()} == {"10.77.0.5"}
    shown = world.run(["leasewatch", "export", "prometheus"], user="nobody").stdout
    assert json.loads(shown) == [
        {"targets": ["10.77.0.5:9100"], "labels": {"instance": "web1", "network": "lab"}}
    ]
