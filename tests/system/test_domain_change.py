"""`pyvirt domain set` on running domains: what is live is live, the rest waits for a restart."""

from __future__ import annotations

import json

from leasewatch.pyvirt.domains.listing import lookup
from tests.system.domains import RUN, cut_power, define_idle, mac_of, pyvirt, read, row
from tests.system.world import World

HOSTS = "/run/pyvirt/networks/lab/hosts.d/web1"


def state(world: World) -> dict[str, object]:
    found: dict[str, object] = json.loads(read(world, RUN / "web1.json"))
    return found


def processes(world: World) -> str:
    return world.run(["ps", "ax", "-o", "args="]).stdout


def test_a_running_domain_takes_over_what_is_live_and_names_the_rest(started_lab: World) -> None:
    lab = started_lab
    lab.serve()
    define_idle(lab, "web1")
    pyvirt(lab, "domain", "start", "web1")
    former, mac = state(lab), mac_of(lab, "web1")
    rules = ["nft", "list", "table", "bridge", "pyvirt_lab"]
    strict = lab.run(rules).stdout

    said = pyvirt(lab, "domain", "set", "web1", "alias+=www", "mac-filtering=off")
    assert (said.stdout, said.stderr) == ("domain web1 is changed\n", "")
    assert state(lab) == former | {"aliases": ["www"], "mac_filtering": False}
    assert lab.run(rules).stdout != strict
    table = lab.root / "run/leasewatch/hosts.v1"
    lab.wait_for("the alias", lambda: lookup(table, "www") is not None)
    pyvirt(lab, "domain", "set", "web1", "mac-filtering=on", "alias-=www")
    assert lab.run(rules).stdout == strict
    lab.wait_for("its end", lambda: lookup(table, "www") is None)

    said = pyvirt(lab, "domain", "set", "web1", "address=10.77.0.50", "memory=128")
    assert said.stderr == (
        "pyvirt: memory and address take effect after a restart\n"
        "  hint: sudo pyvirt domain restart web1\n"
    )
    assert read(lab, HOSTS) == f"{mac},10.77.0.50,web1\n"
    assert "memory" not in processes(lab)
    assert "-m 96" in processes(lab)

    cut_power(lab)
    pyvirt(lab, "domain", "start", "web1")
    assert "-m 128" in processes(lab)


def test_a_card_stays_until_the_restart(started_lab: World) -> None:
    lab = started_lab
    pyvirt(lab, "network", "create", "dmz", "--subnet", "10.78.0.0/24", "--mode", "isolated")
    pyvirt(lab, "network", "start", "dmz")
    define_idle(lab, "web1", "--address", "10.77.0.50")
    pyvirt(lab, "domain", "start", "web1")
    entry = read(lab, HOSTS)
    said = pyvirt(lab, "domain", "set", "web1", "network+=dmz", "network-=lab")
    assert said.stderr.startswith("pyvirt: network takes effect after a restart\n")
    assert read(lab, HOSTS) == entry
    cut_power(lab)
    assert read(lab, HOSTS) == ""
    assert row(lab, "web1")["networks"] == ["dmz"]
    pyvirt(lab, "domain", "start", "web1")
    assert "web1" in read(lab, "/run/pyvirt/networks/dmz/hosts.d/web1")


def test_a_definition_that_the_parent_cannot_take_is_put_back(started_lab: World) -> None:
    lab = started_lab
    define_idle(lab, "web1")
    pyvirt(lab, "domain", "start", "web1")
    before = read(lab, "/etc/pyvirt/domains/web1.toml")
    parent = str(state(lab)["pid"])
    lab.run(["kill", "-STOP", parent])  # it takes nothing over
    said = pyvirt(lab, "domain", "set", "web1", "alias+=www", check=False)
    lab.run(["kill", "-CONT", parent])
    assert said.stderr.startswith("pyvirt: domain web1 has not taken over its definition\n")
    assert read(lab, "/etc/pyvirt/domains/web1.toml") == before
    lab.wait_for("the former aliases", lambda: state(lab)["aliases"] == [])


def test_a_renamed_domain_starts_under_its_new_name(started_lab: World) -> None:
    lab = started_lab
    lab.serve()
    define_idle(lab, "web1", "--address", "10.77.0.50", "--alias", "www")
    mac = mac_of(lab, "web1")
    pyvirt(lab, "domain", "start", "web1")
    refused = pyvirt(lab, "domain", "rename", "web1", "shop", check=False)
    assert refused.stderr == (
        "pyvirt: domain web1 is running\n  hint: sudo pyvirt domain stop web1\n"
    )
    cut_power(lab)
    done = pyvirt(lab, "domain", "rename", "web1", "shop")
    assert (done.stdout, done.stderr) == ("domain web1 is called shop now\n", "")
    assert lab.run(["ls", "/run/pyvirt/networks/lab/hosts.d"]).stdout == "shop\n"
    assert pyvirt(lab, "domain", "start", "shop").stderr == ""
    assert (row(lab, "shop")["macs"], row(lab, "shop")["aliases"]) == ([mac], ["www"])
    assert lookup(lab.root / "run/leasewatch/hosts.v1", "shop") is not None
    assert lookup(lab.root / "run/leasewatch/hosts.v1", "web1") is None
