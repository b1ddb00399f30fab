"""`leasewatch list`, `ip` and `resolve` with the real service, and after it was killed."""

from __future__ import annotations

import json
import signal
import subprocess
import time

from tests.system.world import World

LEASES = "/var/lib/pyvirt/leases/lab.leases"
SET_UP = f"""
mkdir -p /etc/pyvirt /var/lib/pyvirt/leases
printf '[[source]]\\npath = "{LEASES}"\\nnetwork = "lab"\\n' >/etc/pyvirt/leasewatch.toml
cat >{LEASES}
"""


def served(world: World) -> subprocess.Popen[str]:
    later = int(time.time()) + 3600
    leases = f"{later} 52:54:00:00:00:05 10.77.0.5 web1 *\n0 52:54:00:00:00:06 10.77.0.6 wpad *\n"
    world.run(["sh", "-ec", SET_UP], input=leases)
    return world.serve()


def test_the_service_tells_addresses_verdicts_and_reasons(world: World) -> None:
    served(world)
    listed = world.run(["leasewatch", "list", "-o", "json"])
    assert listed.stderr == ""
    entries = {entry["address"]: entry for entry in json.loads(listed.stdout)}
    assert (entries["10.77.0.5"]["name"], entries["10.77.0.5"]["state"]) == ("web1", "published")
    assert (entries["10.77.0.6"]["state"], entries["10.77.0.6"]["expires"]) == ("refused", None)
    assert world.run(["leasewatch", "ip", "WEB1.lab.internal."]).stdout == "10.77.0.5\n"
    assert world.run(["leasewatch", "resolve", "10.77.0.5", "-o", "name"]).stdout == "web1\n"
    refused = world.run(["leasewatch", "resolve", "wpad", "--explain"], check=False)
    assert refused.returncode == 3
    assert '"wpad" is reserved' in refused.stdout
    assert world.run(["leasewatch", "ip", "web9"], check=False).returncode == 3


def test_a_plain_user_may_ask_too(world: World) -> None:
    served(world)
    assert world.run(["leasewatch", "ip", "web1"], user="nobody").stdout == "10.77.0.5\n"


def test_names_are_listed_from_the_table_once_the_service_is_killed(world: World) -> None:
    world.signal(served(world), signal.SIGKILL)
    world.wait_for(
        "the service to be gone",
        lambda: world.run(["leasewatch", "ip", "web1"]).stderr,
    )
    asked = world.run(["leasewatch", "ip", "web1"], user="nobody")
    assert asked.stdout == "10.77.0.5\n"
    down, hint = asked.stderr.splitlines()
    assert "is not running" in down
    assert "sudo " in hint
    listed = json.loads(world.run(["leasewatch", "list", "-o", "json"]).stdout)
    assert {entry["name"]: entry["state"] for entry in listed} == {
        "web1": "published",
        "wpad": "refused",
    }
