"""Programs that configure every interface they see leave bridges and taps alone."""

from __future__ import annotations

import configparser
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from leasewatch.pyvirt.defined.network import bridge_name
from tests.system.networks import LAB, started
from tests.system.world import World

NETWORKD = "/lib/systemd/systemd-networkd"
LONG = "a-network-with-a-long-name"
DEVICES = {"pvtap0": LAB, "pvtap17": LAB}
RUN_NETWORKD = f"""
for folder in links leases lldp; do mkdir -p /run/systemd/netif/$folder; done
mkdir -p /etc/systemd/network
chown -R systemd-network: /run/systemd/netif
printf '[Match]\\nName=*\\n[Network]\\nDHCP=yes\\n' >/etc/systemd/network/00-all.network
mount -o remount,ro /sys
exec {NETWORKD} 2>/run/networkd.log
"""


def files(world: World) -> set[str]:
    folders = ["/run/systemd/network", "/run/NetworkManager"]
    return set(world.run(["find", *folders, "-type", "f"], check=False).stdout.split())


def test_networkd_takes_no_bridge_and_no_tap(world: World) -> None:
    """Its catch-all comes early; what is not ours it configures, in the order of the names."""
    if not Path(NETWORKD).exists():
        pytest.skip("this machine has no systemd-networkd")
    started(world)
    started(world, LONG)
    for tap, bridge in DEVICES.items():
        world.run(["ip", "tuntap", "add", tap, "mode", "tap"])
        world.run(["ip", "link", "set", tap, "up", "master", bridge])
    world.run(["ip", "link", "add", "zz0", "type", "veth", "peer", "name", "zz1"])
    world.run(["ip", "link", "set", "zz0", "up"])
    world.spawn(["sh", "-ec", RUN_NETWORKD])
    log = world.root / "run/networkd.log"

    def configures(device: str) -> bool:
        return log.exists() and f"{device}: Configuring with" in log.read_text()

    for device in ("zz0", "zz1"):
        world.wait_for(f"{device} to be configured", lambda device=device: configures(device))  # type: ignore[misc]
    world.run(["ip", "link", "add", "zz2", "type", "veth", "peer", "name", "zz3"])
    world.run(["ip", "tuntap", "add", "pvtap3", "mode", "tap"])
    world.run(["ip", "link", "add", "zz4", "type", "veth", "peer", "name", "zz5"])
    world.wait_for("the last to be configured", lambda: configures("zz4"))
    taken = [line for line in log.read_text().splitlines() if "pv" in line and "Config" in line]
    assert taken == []
    for tap, bridge in DEVICES.items():
        assert f"master {bridge} " in world.run(["ip", "link", "show", tap]).stdout


def test_each_network_has_its_files_and_leaves_none(world: World) -> None:
    world.run(["mkdir", "-p", "/etc/NetworkManager"])
    started(world)
    of_lab = files(world)
    assert len(of_lab) >= 1
    started(world, LONG)
    assert len(files(world)) == 2 * len(of_lab)
    world.run(["sh", "-c", "rm /run/NetworkManager/conf.d/*"])
    world.run(["pyvirt", "network", "start", "lab"])
    world.run(["pyvirt", "network", "stop", LONG])
    assert files(world) == of_lab
    world.run(["pyvirt", "network", "stop", "lab"])
    assert files(world) == set()


def test_networkmanager_is_kept_off_every_device(world: World) -> None:
    world.run(["mkdir", "-p", "/etc/NetworkManager"])
    started(world)
    parser = configparser.ConfigParser()
    parser.read_string((world.root / "run/NetworkManager/conf.d/pyvirt-lab.conf").read_text())
    section = parser["device-pyvirt-lab"]
    assert section["managed"] == "0"
    patterns = [each.removeprefix("interface-name:") for each in section["match-device"].split(";")]
    for device in (LAB, bridge_name(LONG), "pvtap0", "pvtap123"):
        assert any(fnmatchcase(device, pattern) for pattern in patterns)
    assert not any(
        fnmatchcase(device, pattern) for pattern in patterns for device in ("eth0", "br0")
    )


LOADS = """
mkdir -p /etc/NetworkManager /run/NetworkManager /run/systemd/netif /run/bin
touch /run/systemd/netif/state
for program in networkctl nmcli; do
    printf '#!/bin/sh\\necho "$0 $*" >>/run/loaded\\n' >/run/bin/$program
    chmod +x /run/bin/$program
done
"""


def test_a_running_program_is_asked_once_to_reload_its_files(world: World) -> None:
    world.run(["sh", "-ec", LOADS])
    path = world.run(["sh", "-c", "echo $PATH"]).stdout.strip()

    def act(action: str, name: str) -> str:
        world.run(["pyvirt", "network", action, name], env={"PATH": f"/run/bin:{path}"})
        return world.run(["cat", "/run/loaded"]).stdout

    for name in ("lab", LONG):
        world.run(["pyvirt", "network", "create", name])
    networkd = "/run/bin/networkctl reload\n" if Path(NETWORKD).exists() else ""
    world.run(["touch", "/run/loaded"])
    assert [act("start", name) for name in ("lab", LONG, "lab")] == [networkd] * 3
    for name in ("lab", LONG):
        act("stop", name)
    world.run(["touch", "/run/NetworkManager/NetworkManager.pid"])
    both = f"{networkd}/run/bin/nmcli general reload conf\n"
    assert act("start", "lab") == networkd + both
