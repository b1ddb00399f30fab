"""`pyvirt network` where systemd runs: each network is a unit."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.system.installed import is_active, wait_until_it_resolves
from tests.system.machine import Machine

NETWORK = "pyvirt-network@lab.service"
CLIENT = """
ip netns add client
ip link add v-client type veth peer eth0 netns client
ip link set v-client master pv-lab up
ip -n client link set lo up
ip -n client link set eth0 up
ip netns exec client busybox udhcpc -i eth0 -x hostname:phone -n -q -f -t 30 -T 1 -s /bin/true
"""


@pytest.fixture
def lab(installed: Machine) -> Iterator[Machine]:
    """A network is defined."""
    installed.run(["pyvirt", "network", "create", "lab", "--subnet", "auto"])
    yield installed
    installed.run(["pyvirt", "network", "stop", "lab"])
    installed.run(["pyvirt", "network", "delete", "lab"])


def test_a_network_is_a_unit_and_its_clients_have_names(lab: Machine) -> None:
    try:
        lab.run(["pyvirt", "network", "start", "lab"])
        assert is_active(lab, NETWORK) == "active"
        show = ["systemctl", "show", "--value", "--property=Description", NETWORK]
        assert lab.run(show).stdout == "pyvirt network lab\n"
        lab.sh(CLIENT)
        address, name, *_ = wait_until_it_resolves(lab, "phone")
        assert name == "phone"
        assert lab.run(["leasewatch", "ip", "-4", "phone"]).stdout == f"{address}\n"
        lab.run(["pyvirt", "network", "stop", "lab"])
        assert is_active(lab, NETWORK) == "inactive"
        assert "pv-lab" not in lab.run(["ip", "-brief", "link"]).stdout
    finally:
        lab.run(["ip", "netns", "delete", "client"], check=False)


def test_stopping_the_unit_is_stopping_the_network(lab: Machine) -> None:
    lab.run(["pyvirt", "network", "start", "lab"])
    lab.run(["systemctl", "stop", NETWORK])
    assert "pv-lab" not in lab.run(["ip", "-brief", "link"]).stdout
    (row,) = json.loads(lab.run(["pyvirt", "network", "list", "-o", "json"]).stdout)
    assert row["state"] == "stopped"


def test_a_network_that_cannot_start_says_why_and_leaves_no_unit(lab: Machine) -> None:
    broken = "printf '#!/bin/sh\\necho dnsmasq: no memory >&2\\nexit 3\\n' >/usr/local/sbin/dnsmasq"
    lab.sh(f"{broken}; chmod 755 /usr/local/sbin/dnsmasq")
    try:
        start = lab.run(["pyvirt", "network", "start", "lab"], check=False)
    finally:
        lab.sh("rm /usr/local/sbin/dnsmasq")
    assert start.returncode == 1
    assert start.stderr.startswith("pyvirt: dnsmasq: no memory\n")
    units = lab.run(["systemctl", "list-units", "--all", "--plain", "--no-legend", NETWORK])
    assert units.stdout == ""
    assert "pv-lab" not in lab.run(["ip", "-brief", "link"]).stdout
