"""What other programs' rulesets would drop of a network's, and what `network start` says of it."""

from __future__ import annotations

import json

import pytest

from leasewatch.pyvirt.networks import firewall
from tests.system.test_network_traffic import LAB, started
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
        iifname vmap { "eth0" : goto filter_IN_public, "pv-*" : jump filter_IN_public }
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
        meta nfproto ipv6 accept
        meta l4proto { tcp, udp } th dport 60-70 accept
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
JUDGED = {
    "none": ("", []),
    "docker": (DOCKER, [("Docker", "ip filter FORWARD", ("forwarding IPv4",))]),
    "ufw": (
        UFW,
        [
            ("ufw", "ip filter INPUT", ("DHCP", "DNS")),
            ("ufw", "ip filter FORWARD", ("forwarding IPv4",)),
        ],
    ),
    "firewalld": (FIREWALLD, [("firewalld", "inet firewalld filter_INPUT", ("DHCPv6",))]),
    "what is in doubt does not open": (LIMITED, [("table inet mine", "inet mine input", ("DNS",))]),
    "an open one": (OPEN, []),
}


@pytest.mark.parametrize("case", JUDGED)
def test_start_tells_what_another_ruleset_drops_and_how_to_allow_it(
    world: World, case: str
) -> None:
    text, expected = JUDGED[case]
    world.run(["nft", "-f", "-"], input=text)
    world.run(["pyvirt", "network", "create", "lab"])
    said = world.run(["pyvirt", "network", "start", "lab"]).stderr
    listed = json.loads(world.run(["nft", "-j", "list", "ruleset"]).stdout)["nftables"]
    found = firewall.judge(listed, LAB, "nat")
    assert [(each.owner, each.chain, each.drops) for each in found] == expected
    assert said.count("hint:") == sum(len(each.commands) for each in found)
    for each in found:
        assert f"{each.owner} drops {', '.join(each.drops)} of network lab" in said


def test_rulesets_that_cannot_be_judged_fail_no_network_that_is_up(world: World) -> None:
    replace = """nft=$(readlink -f "$(command -v nft)") && cp "$nft" /run/nft &&
        cat >/run/other-nft && chmod +x /run/other-nft && mount --bind /run/other-nft "$nft" """
    script = '#!/bin/sh\ncase "$*" in *ruleset*) echo no >&2; exit 1 ;; esac\nexec /run/nft "$@"\n'
    world.run(["sh", "-c", replace], input=script)
    world.run(["pyvirt", "network", "create", "lab"])
    done = world.run(["pyvirt", "network", "start", "lab"])
    assert done.stdout == "network lab is started\n"
    assert done.stderr == (
        "pyvirt: not known whether another ruleset keeps guests from anything: nft: no\n"
    )


def test_rulesets_are_understood_where_protocols_have_no_names(world: World) -> None:
    world.run(["rm", "-f", "/etc/protocols"])  # as in a minimal system
    world.run(["nft", "-f", "-"], input=LIMITED)
    listed = json.loads(world.run(["nft", "-j", "list", "ruleset"]).stdout)["nftables"]
    assert [each.drops for each in firewall.judge(listed, LAB, "isolated")] == [("DNS",)]


def test_the_command_that_is_hinted_at_opens_the_way(world: World) -> None:
    world.run(["nft", "-f", "-"], input=LIMITED)
    started(world)
    again = ["pyvirt", "network", "start", "lab"]
    for line in world.run(again).stderr.splitlines():
        if line.startswith("  hint: "):
            world.run(["sh", "-c", line.removeprefix("  hint: ")])
    assert world.run(again).stderr == ""


@pytest.mark.parametrize("missing", [False, True])
def test_rules_of_iptables_legacy_are_told_until_the_bridge_is_let_through(
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
        assert f"{tool} has rules that may drop packets of network lab" in said
    assert said.count("hint: ") == 6
    if not missing:
        for line in said.splitlines():
            if line.startswith("  hint: "):
                world.run(["sh", "-c", line.removeprefix("  hint: ")])
        assert world.run(again).stderr == ""
