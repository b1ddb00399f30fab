"""Root takes no configuration from a folder that the user `leasewatch` can write."""

from __future__ import annotations

import re

from tests.system.domains import pyvirt
from tests.system.world import World

FOLDERS = ("/run/leasewatch", "/var/lib/leasewatch")
EVERYBODYS = {"/tmp", "/var/tmp"}
LOOK = "find /boot /etc /opt /root /run /srv /usr /var -xdev ! -type l -writable 2>/dev/null"
LIFE = """
pyvirt network start lab
pyvirt domain start web1
pyvirt domain list
pyvirt domain show web1
pyvirt domain stop --force web1
pyvirt domain delete web1
pyvirt network stop lab
pyvirt network delete lab
"""


def test_the_service_can_write_nothing_but_its_own_folders(idle_lab: World) -> None:
    idle_lab.serve()
    pyvirt(idle_lab, "domain", "start", "web1")
    found = idle_lab.run(["sh", "-c", LOOK], user="leasewatch", check=False).stdout.splitlines()
    assert "/run/leasewatch/hosts.v1" in found
    strange = [path for path in found if not path.startswith(FOLDERS)]
    assert set(strange) <= EVERYBODYS


def test_root_reads_only_the_published_table_in_the_services_folders(idle_lab: World) -> None:
    pyvirt(idle_lab, "network", "stop", "lab")
    idle_lab.serve()
    trace = ["strace", "--seccomp-bpf", "-f", "-qq", "-e", "trace=%file", "-o", "/run/trace"]
    idle_lab.run([*trace, "sh", "-ec", LIFE], timeout=300)
    seen = idle_lab.run(["cat", "/run/trace"]).stdout
    assert "/etc/pyvirt/domains/web1.toml" in seen
    looked_at = re.findall(rf'"((?:{"|".join(FOLDERS)})[^"]*)"', seen)
    assert set(looked_at) == {"/run/leasewatch/hosts.v1"}
