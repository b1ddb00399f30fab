"""Rulesets of other programs that may drop guests' packets, as `network start` reports them."""

from __future__ import annotations

import json

import pytest

from leasewatch.pyvirt.networks import firewall
from tests.system.networks import LAB, started
from tests.system.world import World

DOCKER = """
table ip filter {
    chain DOCKER-USER {
        return
    }
    chain FORWARD {
        type filter hook forward priority 0; policy drop;
        jump DOCKER-USER
        oifname "docker0" ct state related,established accept
        iifname "docker0" oifname != "docker0" accept
    }
}
"""
UFW = """
table ip filter {
    chain ufw-user-input {
        tcp dport 22 accept
    }
    chain ufw-before-input {
        iifname "lo" accept
        ct state related,established accept
        udp sport 67 udp dport 68 accept
        jump ufw-user-input
    }
    chain INPUT {
        type filter hook input priority 0; policy drop;
        jump ufw-before-input
    }
    chain FORWARD {
        type filter hook forward priority 0; policy drop;
        ct state related,established accept
    }
}
"""
FIREWALLD = """
table inet firewalld {
    chain filter_IN_public {
        tcp dport 22 accept
        udp dport { 53, 67 } accept
    }
    chain filter_INPUT {
        type filter hook input priority 10; policy accept;
        ct state { established, related } accept
        iifname "lo" accept
        iifname vmap { "eth0" : goto filter_IN_public }
        jump filter_IN_public
        reject with icmpx admin-prohibited
    }
}
"""
LIMITED = """
table inet mine {
    set friends { type ipv4_addr; }
    chain input {
        type filter hook input priority 0; policy drop;
        ip saddr @friends accept
        limit rate 10/second accept
        iifname "pv-lab" tcp dport 22 accept
    }
    chain forward {
        type filter hook forward priority 0; policy accept;
        iifname "eth0" oifname "pv-lab" accept
        limit rate over 5/second drop
        counter reject
    }
    chain output { type filter hook output priority 0; policy drop; }
}
"""
OPEN = """
table inet mine {
    chain trusted { iifname { "lo", "pv-*" } accept; }
    chain input {
        type filter hook input priority 0; policy drop;
        jump trusted
        ct state invalid drop
    }
    chain forward {
        type filter hook forward priority 0; policy accept;
        ip saddr 10.0.0.0/8 drop
        limit rate 5/second drop
    }
}
"""
MINE = "table inet mine"
JUDGED = {
    "none": ("", []),
    "docker": (DOCKER, [("Docker", "chain ip filter FORWARD")]),
    "ufw": (UFW, [("ufw", "chain ip filter INPUT"), ("ufw", "chain ip filter FORWARD")]),
    "firewalld": (FIREWALLD, [("firewalld", "chain inet firewalld filter_INPUT")]),
    "firewalld with the bridge in a zone": (FIREWALLD.replace("eth0", LAB), []),
    "one that names the bridge with a condition, and one that rejects": (
        LIMITED,
        [(MINE, "chain inet mine input"), (MINE, "chain inet mine forward")],
    ),
    "an open one": (OPEN, []),
}


@pytest.mark.parametrize("case", JUDGED)
def test_start_reports_rulesets_that_drop_by_default_and_how_to_open_them(
    world: World, case: str
) -> None:
    text, expected = JUDGED[case]
    world.run(["nft", "-f", "-"], input=text)
    world.run(["pyvirt", "network", "create", "lab"])
    said = world.run(["pyvirt", "network", "start", "lab"]).stderr
    listed = json.loads(world.run(["nft", "-j", "list", "ruleset"]).stdout)["nftables"]
    found = firewall.judge(listed, LAB, "nat")
    assert [(each.owner, each.where) for each in found] == expected
    assert said.count("hint:") == sum(len(each.commands) for each in found)
    for each in found:
        assert f"{each.owner} may drop packets of network lab ({each.where})" in said


def test_rulesets_that_cannot_be_judged_fail_no_network_that_is_up(world: World) -> None:
    replace = """nft=$(readlink -f "$(command -v nft)") && cp "$nft" /run/nft &&
        cat >/run/other-nft && chmod +x /run/other-nft && mount --bind /run/other-nft "$nft" """
    script = '#!/bin/sh\ncase "$*" in *ruleset*) echo no >&2; exit 1 ;; esac\nexec /run/nft "$@"\n'
    world.run(["sh", "-c", replace], input=script)
    world.run(["pyvirt", "network", "create", "lab"])
    done = world.run(["pyvirt", "network", "start", "lab"])
    assert done.stdout == "network lab is started\n"
    assert done.stderr == (
        "pyvirt: cannot tell whether other firewall rules drop the guests' packets: nft: no\n"
    )


@pytest.mark.parametrize("ruleset", [DOCKER, LIMITED], ids=["docker", "a table"])
def test_the_command_that_is_hinted_at_opens_the_way(world: World, ruleset: str) -> None:
    world.run(["nft", "-f", "-"], input=ruleset)
    started(world)
    again = ["pyvirt", "network", "start", "lab"]
    for line in world.run(again).stderr.splitlines():
        if line.startswith("  hint: "):
            world.run(["sh", "-c", line.removeprefix("  hint: ")])
    assert world.run(again).stderr == ""


@pytest.mark.parametrize("missing", [False, True])
def test_iptables_legacy_rules_are_reported_until_they_let_the_bridge_through(
    world: World, missing: bool
) -> None:
    """Both families, and where the program that lists them is not installed."""
    if world.run(["iptables-legacy", "-nL"], check=False).returncode:
        pytest.skip("this machine has no iptables-legacy")
    world.run(["ip6tables-legacy", "-nL"])
    started(world)
    again = ["pyvirt", "network", "start", "lab"]
    assert world.run(again).stderr == ""
    world.run(["iptables-legacy", "-P", "FORWARD", "DROP"])
    world.run(["ip6tables-legacy", "-A", "INPUT", "-p", "udp", "-j", "DROP"])
    if missing:
        hide = "mount --bind /dev/null $(readlink -f $(command -v iptables-legacy-save))"
        world.run(["sh", "-c", hide])
    said = world.run(again).stderr
    for tool in ("iptables-legacy", "ip6tables-legacy"):
        assert f"{tool} may drop packets of network lab (table filter)" in said
    assert said.count("hint: ") == 6
    if not missing:
        for line in said.splitlines():
            if line.startswith("  hint: "):
                world.run(["sh", "-c", line.removeprefix("  hint: ")])
        assert world.run(again).stderr == ""
