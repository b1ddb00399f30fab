"""`pyvirt network show` draws what the bridge of a started network carries."""

from __future__ import annotations

import json

from tests.system.networks import LAB, defined, run_domain
from tests.system.world import World

SHOW = ["pyvirt", "network", "show", "lab"]


def test_show_draws_ports_guests_and_leases_on_a_terminal(started_lab: World) -> None:
    world = started_lab
    run_domain(world, "web1", "lab", "v-web", 1)
    web = world.client("web", LAB, "52:54:00:00:00:01").dhcp("web")
    other = world.client("other", LAB).dhcp("laptop")
    drawn = world.run(["script", "-qec", " ".join(SHOW), "/dev/null"], user="nobody").stdout
    drawn = drawn.replace("\r", "").split("\n\n", 1)[1]
    assert drawn.startswith("pv-lab\n├─ v-web    web1  52:54:00:00:00:01\n")
    assert f"│  └─ {web}  " in drawn
    assert "├─ v-other  (no guest of pyvirt)\n" in drawn
    assert f"   └─ {other}  " in drawn.split("other addresses")[1]
    (row,) = json.loads(world.run([*SHOW, "-o", "json"]).stdout)
    held = {port["domain"]: port["addresses"] for port in row["ports"]}
    assert [one["address"] for one in held["web1"]] == [web]
    assert "pv-lab\n" not in world.run(SHOW).stdout.replace("bridge:    pv-lab\n", "")


def test_a_network_that_is_not_started_has_no_ports(world: World) -> None:
    defined(world)
    (row,) = json.loads(world.run([*SHOW, "-o", "json"]).stdout)
    assert (row["ports"], row["others"]) == ([], [])
    drawn = world.run(["script", "-qec", " ".join(SHOW), "/dev/null"]).stdout
    assert "autostart:" in drawn.splitlines()[-1]
