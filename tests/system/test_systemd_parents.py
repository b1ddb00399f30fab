"""pyvirt where systemd runs: networks and domains are units, and come back after a reboot."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.guest import IDLE_KERNEL, MARK, GuestFiles, slow_to_power_off
from tests.system.installed import is_active, wait_until_it_resolves
from tests.system.machine import Machine
from tests.system.virtual_machines import GUEST, with_qemu
from tests.waiting import wait_for

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


OLD = """
systemd-run --quiet --collect --service-type=notify --unit=pyvirt-network-lab.service \\
    --property=KillMode=mixed -- /opt/pyvirt/bin/pyvirt network run lab
"""


def test_a_unit_that_an_older_version_has_started_is_left_alone_and_can_be_stopped(
    lab: Machine,
) -> None:
    lab.sh(OLD)
    assert lab.run(["pyvirt", "network", "start", "lab"]).stdout == (
        "network lab was started already\n"
    )
    assert is_active(lab, NETWORK) == "inactive"
    lab.run(["pyvirt", "network", "stop", "lab"])
    assert is_active(lab, "pyvirt-network-lab.service") == "inactive"


def test_what_is_started_while_the_units_are_removed_is_named_and_can_be_stopped(
    lab: Machine,
) -> None:
    lab.run(["pyvirt", "network", "start", "lab"])
    removed = lab.run(["nss-pyvirt", "remove"])
    assert "removed /etc/systemd/system/pyvirt-network@.service\n" in removed.stdout
    assert removed.stderr == ("nss-pyvirt: still started: network lab\n  hint: sudo pyvirt down\n")
    lab.run(["pyvirt", "network", "stop", "lab"])
    assert "pv-lab" not in lab.run(["ip", "-brief", "link"]).stdout
    assert lab.run(["pyvirt", "network", "start", "lab"]).stderr == (
        f"pyvirt: {NETWORK} is not installed: what is started may end when you log out\n"
        "  hint: sudo nss-pyvirt install\n"
    )


def test_a_network_that_cannot_start_says_why_and_leaves_no_unit(lab: Machine) -> None:
    broken = "printf '#!/bin/sh\\necho dnsmasq: no memory >&2\\nexit 3\\n' >/usr/local/sbin/dnsmasq"
    lab.sh(f"{broken}; chmod 755 /usr/local/sbin/dnsmasq")
    try:
        start = lab.run(["pyvirt", "network", "start", "lab"], check=False)
    finally:
        lab.sh("rm /usr/local/sbin/dnsmasq")
    assert start.returncode == 1
    assert start.stderr.startswith("pyvirt: dnsmasq: no memory\n")
    journal = lab.run(["journalctl", "--unit", NETWORK, "-o", "cat", "--no-pager"]).stdout
    assert "pyvirt: dnsmasq: no memory\n" in journal
    units = lab.run(["systemctl", "list-units", "--all", "--plain", "--no-legend", NETWORK])
    assert units.stdout == ""
    assert "pv-lab" not in lab.run(["ip", "-brief", "link"]).stdout


DISKS = "/var/lib/pyvirt/domains/web1"


@pytest.fixture
def host(installed: Machine, guest_files: GuestFiles, tmp_path: Path) -> Iterator[Machine]:
    """With QEMU, a network `lab`, and a domain `web1` whose power button writes to its disk."""
    with with_qemu(installed, guest_files):
        installed.run(["pyvirt", "network", "create", "lab", "--mode", "isolated"])
        (installed.root / "srv/disk").write_bytes(bytes(1 << 20))
        (installed.root / "srv/initrd").write_bytes(slow_to_power_off(guest_files, tmp_path))
        boot = ["--kernel", f"{GUEST}/vmlinuz", "--initrd", "/srv/initrd", "--disk", "/srv/disk"]
        create(installed, "web1", *boot)
        yield installed
        installed.run(["pyvirt", "down", "--timeout", "0"])
        for name in domains(installed):
            installed.run(["pyvirt", "domain", "delete", name])
        installed.run(["pyvirt", "network", "delete", "lab"])
        installed.sh("rm -f /srv/disk /srv/initrd /srv/idle")


def create(machine: Machine, name: str, *boot: str) -> None:
    size = ["--memory", "96", "--accel", "tcg"]
    machine.run(["pyvirt", "domain", "create", name, "--network", "lab", *boot, *size])


def has_shut_down(machine: Machine) -> bool:
    """Whether `web1` has ever come to the end of its own shutdown."""
    return machine.run(["grep", "-rqs", MARK, DISKS], check=False).returncode == 0


def domains(machine: Machine) -> dict[str, str]:
    """The state of each domain."""
    rows = json.loads(machine.run(["pyvirt", "domain", "list", "-o", "json"]).stdout)
    return {row["name"]: row["state"] for row in rows}


def leased(host: Machine, name: str) -> str:
    """The name's IPv4 address, waited for: `getent hosts` prefers IPv6, which may come first."""

    def found() -> str:
        return host.run(["getent", "ahostsv4", name], check=False).stdout.partition(" ")[0]

    return wait_for(f"a lease for {name}", found, 180)


def test_a_reboot_shuts_guests_down_and_brings_them_back_under_their_addresses(
    host: Machine,
) -> None:
    (host.root / "srv/idle").write_bytes(IDLE_KERNEL)
    create(host, "deaf", "--kernel", "/srv/idle", "--stop-timeout", "2s")  # to its power button
    host.run(["pyvirt", "domain", "autostart", "web1", "on"])
    for unit in ("pyvirt-network@lab", "pyvirt-domain@web1", "pyvirt-domain@deaf"):
        host.run(["systemctl", "start", unit])  # as an administrator may, too
    before = leased(host, "web1")
    assert not has_shut_down(host)

    host.reboot()
    assert has_shut_down(host)
    assert domains(host) == {"web1": "running", "deaf": "stopped"}
    assert is_active(host, "pyvirt-domain@web1") == "active"
    assert leased(host, "web1") == before
    assert host.run(["pyvirt", "up"]).stdout == "1 network and 1 domain are up\n"
    assert host.run(["pyvirt", "down"]).stdout.splitlines() == [
        "domain web1 is stopped",
        "network lab is stopped",
        "1 network and 1 domain are stopped",
    ]
    assert is_active(host, "pyvirt-domain@web1") == is_active(host, "pyvirt-network@lab")


CLEAN = """
qemu-img convert -O raw /var/lib/pyvirt/domains/deb1/*.qcow2 /srv/raw
dd if=/srv/raw of=/srv/partition bs=1M skip=1 conv=sparse status=none
dumpe2fs -h /srv/partition 2>/dev/null | grep -E '^Filesystem (state|features):'
rm /srv/raw /srv/partition
"""


@pytest.mark.long
def test_the_file_system_of_a_debian_is_clean_after_the_host_has_shut_down(
    host: Machine, cloud_image: Path
) -> None:
    shutil.copy(cloud_image, host.root / "srv/image")
    size = ["--memory", "512", "--accel", "tcg", "--stop-timeout", "5m", "--no-seed"]
    boot = ["--network", "lab", "--disk", "/srv/image"]
    host.run(["pyvirt", "domain", "create", "deb1", *boot, *size])
    host.sh("pyvirt network start lab; pyvirt domain start deb1; rm /srv/image")
    console = "/run/pyvirt/domains/deb1/console.log"
    wait_for("its login", lambda: "login:" in host.run(["cat", console]).stdout, 800)

    host.reboot()
    found = host.sh(CLEAN, timeout=120)
    assert re.search(r"^Filesystem state: +clean$", found, re.MULTILINE), found
    assert "needs_recovery" not in found
