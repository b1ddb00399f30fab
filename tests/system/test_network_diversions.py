"""A network's subnet is one whose addresses the host sends to its bridge and nowhere else."""

from __future__ import annotations

import json
import shlex

from tests.system.networks import started
from tests.system.world import World

POLICIES = """
ip link add ts0 type veth peer name ts1
ip link set ts0 up
ip link set ts1 up
ip rule add priority 5270 lookup 52
ip route add 10.1.0.0/24 dev ts0 table 52
ip route add 10.2.0.128/25 dev ts0 table 52
ip route add 10.3.0.77/32 dev ts0 table 52
ip route add 10.64.0.0/12 dev ts0 table 52
ip route add unreachable 10.5.0.0/24 table 52
ip -6 rule add priority 5270 lookup 52
ip -6 route add fd00:1::/64 dev ts0 table 52
ip -6 route add fd00:2:0:0:8000::/65 dev ts0 table 52
ip rule add to 10.6.0.0/24 prohibit priority 60
ip rule add to 10.7.0.128/25 blackhole priority 61
ip address add 10.8.0.9/32 dev lo
ip rule add priority 40000 lookup 77
ip route add 10.11.0.0/24 dev ts0 table 77
ip rule add fwmark 4 lookup 78 priority 62
ip route add 10.12.0.0/24 dev ts0 table 78
ip rule add from 192.0.2.0/24 lookup 79 priority 63
ip route add 10.13.0.0/24 dev ts0 table 79
ip route add throw 10.77.0.0/24 table 52
ip rule add not fwmark 0xca6c lookup 51820 priority 32764
ip route add default dev ts0 table 51820
ip rule add lookup main suppress_prefixlength 0 priority 32763
"""
DIVERTED = {
    "10.1.0.0/24": "ip rule 5270 sends 10.1.0.2 to ts0 (table 52)",
    "10.2.0.0/24": "ip rule 5270 sends 10.2.0.128 to ts0 (table 52)",
    "10.3.0.0/16": "ip rule 5270 sends 10.3.0.77 to ts0 (table 52)",
    "10.70.0.0/24": "ip rule 5270 sends 10.70.0.2 to ts0 (table 52)",
    "fd00:1::/64": "ip rule 5270 sends fd00:1::2 to ts0 (table 52)",
    "fd00:2::/64": "ip rule 5270 sends fd00:2:0:0:8000:: to ts0 (table 52)",
    "10.6.0.0/24": "an ip rule or route forbids 10.6.0.2",
    "10.7.0.0/24": "an ip rule or route drops 10.7.0.254",
    "10.8.0.0/24": "10.8.0.9 is one of the host's own addresses",
}
FREE = (
    "10.11.0.0/24",  # a rule behind main
    "10.12.0.0/24",  # for marked packets alone
    "10.13.0.0/24",  # from others' addresses alone
    "10.14.0.0/24",  # wg-quick's default route, which main's longer ones go before
    "10.77.0.0/24",  # table 52 passes it on
    "10.7.0.0/25",
    "fd00:3::/64",
)
ASK = """
import json, sys
from leasewatch.pyvirt.networks.diversions import Diversions
diversions = Diversions(4), Diversions(6)
found = {subnet: diversions[":" in subnet].find(subnet) for subnet in sys.argv[1:]}
print(json.dumps({subnet: each and each.what for subnet, each in found.items()}))
"""
START = ["pyvirt", "network", "start", "lab"]


def test_what_goes_before_a_bridges_route_is_found_and_what_does_not_is_free(world: World) -> None:
    world.run(["sh", "-ec", POLICIES])
    found = json.loads(world.run(["python", "-c", ASK, *DIVERTED, *FREE]).stdout)
    assert found == DIVERTED | dict.fromkeys(FREE)


def test_a_subnet_that_a_rule_sends_elsewhere_is_neither_picked_nor_taken(world: World) -> None:
    world.run(["sh", "-ec", "ip link add ts0 type veth peer name ts1; ip link set ts0 up"])
    world.run(["sh", "-ec", "ip link set ts1 up; ip rule add priority 5270 lookup 52"])
    world.run(["ip", "route", "add", "10.77.0.0/23", "dev", "ts0", "table", "52"])
    create = ["pyvirt", "network", "create"]
    refused = world.run([*create, "lab", "--subnet", "10.77.1.0/24"], check=False)
    assert refused.returncode == 1
    assert refused.stderr == (
        "pyvirt: subnet 10.77.1.0/24 is taken: ip rule 5270 sends 10.77.1.2 to ts0 (table 52)\n"
        "  hint: --subnet auto\n"
    )
    assert "is defined: 10.77.2.0/24" in world.run([*create, "lab"]).stdout
    world.run(["ip", "route", "add", "default", "dev", "ts0", "table", "52"])
    none = world.run([*create, "none"], check=False).stderr
    assert "no free /24 was found: ip rule 5270 sends 10.77.0.2 to ts0 (table 52)" in none
    refused = world.run(START, check=False)
    assert refused.returncode == 1
    assert "guests of network lab cannot be reached: ip rule 5270 sends 10.77.2.2" in refused.stderr
    assert "pv-lab" not in world.run(["ip", "link"]).stdout
    world.run(shlex.split(refused.stderr.rpartition("hint: ")[2]))
    assert world.run(START).stdout == "network lab is started\n"


def test_a_route_added_after_the_start_is_reported_at_the_next_start(world: World) -> None:
    world.run(["sh", "-ec", "ip link add ts0 type veth peer name ts1; ip link set ts0 up"])
    world.run(["ip", "link", "set", "ts1", "up"])
    world.run(["ip", "rule", "add", "priority", "5270", "lookup", "52"])
    started(world)
    for route in (
        ["10.77.0.64/26", "dev", "ts0", "table", "52"],
        ["10.77.0.64/26", "dev", "ts0"],
        ["blackhole", "10.77.0.7/32"],
    ):
        world.run(["ip", "route", "add", *route])
        told = world.run(START, check=False)
        assert told.returncode == 1
        assert told.stderr.startswith("pyvirt: network lab is not repaired: guests of network lab")
        assert "hint: " in told.stderr
        world.run(["ip", "route", "delete", *route])
        assert world.run(START).stdout == "network lab was started already\n"
