"""Kea's own DHCPv4 server: its lease file as it grows, and as its clean-up moves it about."""

from __future__ import annotations

import json
import time

import pytest

from tests.system.asking import finds
from tests.system.world import CHECKOUT, World

KEA = CHECKOUT / ".cache/kea"
LIBRARIES = f"LD_LIBRARY_PATH={KEA}/usr/lib/x86_64-linux-gnu"
LEASES = "/var/lib/kea/kea-leases4.csv"
SETTINGS = {
    "Dhcp4": {
        "interfaces-config": {"interfaces": ["br9"]},
        "lease-database": {"type": "memfile", "name": LEASES, "lfc-interval": 2},
        "valid-lifetime": 600,
        "client-classes": [
            {"name": "brief", "test": "option[12].text == 'brief'", "valid-lifetime": 12}
        ],
        "subnet4": [
            {
                "subnet": "10.9.0.0/24",
                "interface": "br9",
                "pools": [{"pool": "10.9.0.10-10.9.0.99"}],
            }
        ],
    }
}
# Kea starts its clean-up without its environment, so that cannot tell where its libraries are.
PREPARE = f"""
set -e
ip link add br9 type bridge
ip addr add 10.9.0.1/24 dev br9
ip link set br9 up
mkdir -m 0750 /var/lib/kea
printf '#!/bin/sh\\n{LIBRARIES} exec {KEA}/usr/sbin/kea-lfc "$@"\\n' > /run/kea-lfc
chmod 0755 /run/kea-lfc
"""


@pytest.fixture
def kea(world: World) -> World:
    """A world with the service and Kea on br9, which cleans its lease file every 2 s."""
    if not KEA.is_dir():
        pytest.skip("Kea is not unpacked: packaging/prepare --test as root does it")
    world.run(["sh", "-c", PREPARE])
    world.run(["tee", "/run/kea.conf"], input=json.dumps(SETTINGS))
    world.serve()
    folders = ("KEA_LOCKFILE_DIR=/run", "KEA_PIDFILE_DIR=/run", "KEA_LFC_EXECUTABLE=/run/kea-lfc")
    server = [KEA / "usr/sbin/kea-dhcp4", "-c", "/run/kea.conf"]
    world.spawn(["env", *folders, LIBRARIES, *map(str, server)])
    world.wait_for(
        "Kea's lease file", lambda: not world.run(["test", "-e", LEASES], check=False).returncode
    )
    return world


def test_a_lease_answers_outlives_every_clean_up_and_goes_when_it_is_given_back(
    kea: World,
) -> None:
    stays = kea.client("c1", "br9")
    address = stays.dhcp("db1")
    kea.wait_for("db1", lambda: finds(kea, "db1.kea.internal") == [address])
    watch = "while getent hosts db1 >/dev/null; do sleep 0.01; done; echo lost > /run/lost"
    asking = kea.spawn(["sh", "-c", watch])
    cleaned = ["grep", "-q", "db1", f"{LEASES}.2"]
    kea.wait_for("a clean-up", lambda: not kea.run(cleaned, check=False).returncode)
    goes = kea.client("c2", "br9")
    other = goes.dhcp("db2")
    kea.wait_for("db2", lambda: finds(kea, "db2") == [other])
    goes.release()
    kea.wait_for("db2 to be forgotten", lambda: not finds(kea, "db2"))
    gone = ["sh", "-c", f"! grep -q db2 {LEASES}.2 && ! grep -q db {LEASES}"]
    kea.wait_for("another clean-up", lambda: not kea.run(gone, check=False).returncode)
    kea.run(["sleep", "3"])  # one more, of a file that has nothing new, and two rescans' parts
    assert asking.poll() is None
    assert finds(kea, "db1") == [address]
    shown = json.loads(kea.run(["leasewatch", "sources", "-o", "json"]).stdout)
    (row,) = [row for row in shown if row["source"] == "kea"]
    assert (row["state"], row["leases"], row["error"]) == ("watched", 1, None)


def test_a_lease_that_is_not_renewed_goes_when_it_ends_and_not_before(kea: World) -> None:
    client = kea.client("c1", "br9")
    address = client.dhcp("brief")
    kea.wait_for("brief", lambda: finds(kea, "brief") == [address])
    client.stop()

    def told() -> list[int]:  # the clean-up moves lines about
        text = kea.run(["sh", "-c", f"cat {LEASES}*"], check=False).stdout
        rows = [line.split(",") for line in text.splitlines()]
        return [int(row[4]) for row in rows if row[0] == address and len(row) > 8]

    ends = max(kea.wait_for("its end in the file", told))
    kea.wait_for("brief to go", lambda: not finds(kea, "brief"))
    assert ends <= time.time()
    assert kea.run(["getent", "hosts", address], check=False).returncode == 2
