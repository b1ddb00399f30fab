"""The real installation, on a Debian whose PID 1 is systemd, typed as the README says."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import readme
from tests.system.debian import STATE, debian, gets_it, packages, types
from tests.system.machine import Machine, cgroup_trees
from tests.system.sandbox_probe import EXPECTED, SECRETS
from tests.waiting import wait_for

HERE = Path(__file__).parent
NETWORK_PROGRAMS = ["busybox-static", "dnsmasq-base", "iproute2", "nftables"]
SETTINGS = '[[source]]\npath = "/var/lib/misc/dnsmasq.leases"\nnetwork = "office"\n'


@pytest.fixture(scope="module")
def bare(
    _namespaces: None, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Machine, str]]:
    """A booted Debian whose user has a clone of the project, and the state that it is in."""
    trees = cgroup_trees()
    if not trees or not all(os.access(tree, os.W_OK) for tree in trees):
        pytest.skip("this kernel, or the container we are in, gives systemd no cgroups")
    used = readme.section("Get it") + readme.section("Quick start A")
    wanted = [*packages(used), *NETWORK_PROGRAMS]
    console = tmp_path_factory.mktemp("machine") / "console"
    with debian("bookworm", source, console, installed=wanted, fetched=[]) as made:
        gets_it(made)
        yield made, made.sh(STATE)


@pytest.fixture(scope="module")
def machine(bare: tuple[Machine, str]) -> Machine:
    """A booted Debian with the project in /opt/pyvirt, not installed into the system."""
    made, _ = bare
    (start,) = readme.scripts(readme.section("Quick start A"))
    types(made, start)
    made.run(["nss-pyvirt", "remove"])
    return made


@pytest.fixture
def installed(machine: Machine) -> Iterator[Machine]:
    """`nss-pyvirt install` is done, and taken back at the end."""
    machine.run(["nss-pyvirt", "install"])
    yield machine
    machine.run(["nss-pyvirt", "remove"])
    machine.sh(
        "rm -rf /etc/pyvirt /var/lib/pyvirt /var/lib/leasewatch /var/lib/misc/dnsmasq.leases"
    )


def lease(name: str, last: int) -> str:
    """A line of dnsmasq's lease file."""
    return f"{int(time.time()) + 3600} 52:54:00:00:00:{last:02x} 10.9.0.{last} {name} *\n"


def write_leases(machine: Machine, *lines: str) -> None:
    path = "/var/lib/misc/dnsmasq.leases"
    machine.run(
        ["sh", "-ec", f"umask 077; mkdir -p /var/lib/misc; cat >{path}"], stdin="".join(lines)
    )


def resolves(machine: Machine, name: str) -> list[str]:
    """What getent prints first: the address and the names."""
    return machine.run(["getent", "hosts", name], check=False).stdout.split()


def wait_until_it_resolves(machine: Machine, name: str, timeout: float = 60) -> list[str]:
    return wait_for(f"getent hosts {name}", lambda: resolves(machine, name), timeout)


def main_pid(machine: Machine) -> str:
    return machine.run(["systemctl", "show", "-P", "MainPID", "leasewatch"]).stdout.strip()


def is_active(machine: Machine, unit: str) -> str:
    return machine.run(["systemctl", "is-active", unit], check=False).stdout.strip()


def test_the_machine_sees_nothing_of_the_host_that_an_init_would_clean(machine: Machine) -> None:
    for folder in ("/tmp", "/var/tmp", "/run", "/dev/shm"):
        marker = Path(folder, f"pyvirt-marker-{os.getpid()}")
        marker.touch()
        try:
            os.utime(marker, (0, 0))
            assert not (machine.root / str(marker)[1:]).exists()
            machine.run(["systemd-tmpfiles", "--create", "--clean", "--remove"], check=False)
            assert marker.exists()
        finally:
            marker.unlink()
    network = Path("/proc/self/ns/net").readlink()
    assert machine.run(["readlink", "/proc/1/ns/net"]).stdout.strip() != str(network)


def test_install_leaves_a_working_service_and_remove_leaves_nothing(machine: Machine) -> None:
    before = machine.sh(STATE)
    bare = machine.run(["nss-pyvirt", "status"], check=False)
    assert (bare.returncode, bare.stderr) == (1, "  hint: sudo nss-pyvirt install\n")
    asked = machine.run(["leasewatch", "list"], check=False).stderr
    assert "hint: sudo nss-pyvirt install\n" in asked
    machine.run(["nss-pyvirt", "install"])
    assert is_active(machine, "leasewatch") == "active"
    assert machine.run(["systemctl", "is-enabled", "leasewatch"]).stdout == "enabled\n"
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]  # without D-Bus
    pieces = json.loads(machine.run([*as_nobody, "nss-pyvirt", "status", "-o", "json"]).stdout)
    states = {piece["piece"]: piece["state"] for piece in pieces}
    wanted = ("nsswitch", "module", "snapshot", "service", "settings", "unit", "user")
    assert states == dict.fromkeys(wanted, "ok"), pieces
    assert machine.run(["nss-pyvirt", "install"]).stdout == "everything is installed already\n"
    machine.run(["systemctl", "disable", "leasewatch"])
    assert "disabled" in machine.run(["nss-pyvirt", "status"], check=False).stdout
    assert machine.run(["nss-pyvirt", "install"]).stdout == "enabled leasewatch.service\n"
    machine.run(["nss-pyvirt", "status"])

    machine.run(["nss-pyvirt", "remove"])
    assert machine.sh(STATE).splitlines() == before.splitlines()
    assert is_active(machine, "leasewatch") == "inactive"
    assert machine.run(["nss-pyvirt", "remove"]).stdout == "nothing is installed\n"


PACKAGE = "/opt/pyvirt/lib/python3*/site-packages/nss_pyvirt/__init__.py"


def upgrade(machine: Machine, old: str, new: str) -> None:
    """As pip would: the program is of another version from now on."""
    machine.sh(f"sed -i s/{old}/{new}/ {PACKAGE}")


def test_install_after_an_upgrade_has_the_new_version_run(installed: Machine) -> None:
    old = main_pid(installed)
    upgrade(installed, "0.1.0", "0.1.1")
    try:
        status = installed.run(["nss-pyvirt", "status"], check=False).stdout
        assert re.search(r"^unit +outdated ", status, re.MULTILINE), status
        assert "restarted leasewatch.service\n" in installed.run(["nss-pyvirt", "install"]).stdout
        assert main_pid(installed) not in {old, "0"}
        stale = ["systemctl", "show", "-P", "NeedDaemonReload", "leasewatch"]
        assert installed.run(stale).stdout == "no\n"
        installed.run(["nss-pyvirt", "status"])
        assert (
            installed.run(["nss-pyvirt", "install"]).stdout == "everything is installed already\n"
        )
    finally:
        upgrade(installed, "0.1.1", "0.1.0")


# A service that cannot start, whatever the settings say.
BREAK = "cd /opt/pyvirt/lib/python3*/site-packages/leasewatch; mv service.py away"
MEND = "cd /opt/pyvirt/lib/python3*/site-packages/leasewatch; mv away service.py"


def test_an_install_that_cannot_start_the_service_leaves_everything_as_it_was(
    machine: Machine,
) -> None:
    def fail() -> None:
        before = machine.sh(STATE)
        assert is_active(machine, "leasewatch") == "inactive"
        done = machine.run(["nss-pyvirt", "install"], check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert "restart leasewatch.service: Job for leasewatch.service failed" in done.stderr
        assert "hint: journalctl -u leasewatch" in done.stderr
        assert machine.sh(STATE).splitlines() == before.splitlines()
        assert is_active(machine, "leasewatch") == "inactive"  # nor failed

    program = "/opt/pyvirt/bin/leasewatch"
    machine.sh(f"mv {program} {program}.moved")
    without = machine.run(["nss-pyvirt", "install"], check=False).stderr
    machine.sh(f"mv {program}.moved {program}")
    assert without.startswith(f"nss-pyvirt: the service's program {program} does not exist")

    machine.sh(BREAK)
    try:
        fail()
        machine.sh(f"{MEND}; nss-pyvirt install; {BREAK}; systemctl stop leasewatch")
        upgrade(machine, "0.1.0", "0.1.1")
        fail()
        machine.run(["systemctl", "start", "leasewatch"], check=False)
    finally:
        upgrade(machine, "0.1.1", "0.1.0")
        machine.sh(MEND)
        machine.run(["nss-pyvirt", "remove"])
        assert is_active(machine, "leasewatch") == "inactive"
        machine.sh("rm -rf /etc/pyvirt /var/lib/leasewatch")


def test_a_lease_file_named_in_the_settings_is_followed_after_a_reload(installed: Machine) -> None:
    write_leases(installed, lease("printer1", 5))
    pid = main_pid(installed)
    installed.sh("echo >/root/home.leases; echo >/tmp/tmp.leases; echo >/etc/etc.leases")
    hidden = '[[source]]\npath = "/root/home.leases"\nnetwork = "home"\n'
    hidden += '[[source]]\npath = "/tmp/tmp.leases"\nnetwork = "tmp"\n'
    hidden += '[[source]]\npath = "/etc/etc.leases"\nnetwork = "etc"\n'
    (installed.root / "etc/pyvirt/leasewatch.toml").write_text(SETTINGS + hidden)
    installed.run(["systemctl", "reload", "leasewatch"])
    found = wait_until_it_resolves(installed, "printer1.office.internal")
    assert found == ["10.9.0.5", "printer1", "printer1.office.internal"]
    assert resolves(installed, "10.9.0.5")[:2] == ["10.9.0.5", "printer1"]
    write_leases(installed, lease("printer1", 5), lease("scanner", 6))
    wait_until_it_resolves(installed, "scanner.office.internal")
    assert main_pid(installed) == pid
    shown = installed.run(["leasewatch", "sources"]).stdout
    installed.sh("rm /etc/etc.leases /root/home.leases /tmp/tmp.leases")
    for folder in ("/root", "/tmp", "/etc"):
        assert f"leasewatch.service cannot see files below {folder}: let the server" in shown


def test_settings_with_a_fault_keep_the_service_and_its_names(installed: Machine) -> None:
    write_leases(installed, lease("printer1", 5))
    settings = installed.root / "etc/pyvirt/leasewatch.toml"
    settings.write_text(SETTINGS)
    installed.run(["systemctl", "reload", "leasewatch"])
    wait_until_it_resolves(installed, "printer1")
    settings.write_text(SETTINGS.replace("network", "netwrok"))
    assert installed.run(["systemctl", "reload", "leasewatch"], check=False).returncode == 1
    journal = ["journalctl", "-u", "leasewatch", "-o", "cat", "--no-pager"]
    wait_for("the fault in the journal", lambda: "netwrok" in installed.run(journal).stdout)
    status = installed.run(["nss-pyvirt", "status"], check=False).stdout
    assert re.search(r"^settings +faulty .*netwrok", status, re.MULTILINE), status
    assert is_active(installed, "leasewatch") == "active"
    assert resolves(installed, "printer1")


def test_names_outlive_the_stop_the_restart_and_the_death_of_the_service(
    installed: Machine,
) -> None:
    write_leases(installed, lease("printer1", 5))
    (installed.root / "etc/pyvirt/leasewatch.toml").write_text(SETTINGS)
    installed.run(["systemctl", "restart", "leasewatch"])
    assert resolves(installed, "printer1")

    installed.run(["systemctl", "stop", "leasewatch"])
    assert resolves(installed, "printer1")
    status = installed.run(["nss-pyvirt", "status"], check=False)
    assert status.returncode == 1
    assert "systemctl restart leasewatch" in status.stderr

    installed.run(["systemctl", "start", "leasewatch"])
    pid = main_pid(installed)
    installed.run(["systemctl", "kill", "--signal=KILL", "leasewatch"])
    wait_for("systemd to start it again", lambda: main_pid(installed) not in {pid, "0"})
    assert resolves(installed, "printer1")
    wait_for("it to be ready", lambda: is_active(installed, "leasewatch") == "active")
    installed.run(["nss-pyvirt", "status"])


def test_the_history_is_written_in_the_sandbox_and_outlives_remove_and_install(
    machine: Machine,
) -> None:
    machine.run(["nss-pyvirt", "install"])
    write_leases(machine, lease("printer1", 5))
    (machine.root / "etc/pyvirt").mkdir(exist_ok=True)
    (machine.root / "etc/pyvirt/leasewatch.toml").write_text(SETTINGS)
    asked = ["leasewatch", "history", "10.9.0.5", "-o", "name"]
    try:
        machine.run(["systemctl", "restart", "leasewatch"])
        wait_for("the history", lambda: machine.run(asked, check=False).stdout == "printer1\n")
        removed = machine.run(["nss-pyvirt", "remove"]).stdout
        assert "kept the lease history /var/lib/leasewatch, now owned by root\n" in removed
        assert machine.run(["nss-pyvirt", "remove"]).stdout == "nothing is installed\n"
        assert machine.run(asked).stdout == "printer1\n"  # root reads the file itself
        machine.run(["nss-pyvirt", "install"])
        write_leases(machine, lease("scanner", 5))
        both = "printer1\nscanner\n"
        wait_for("the history to go on", lambda: machine.run(asked, check=False).stdout == both)
    finally:
        machine.run(["nss-pyvirt", "remove"])
        machine.sh("rm -rf /etc/pyvirt /var/lib/leasewatch /var/lib/misc/dnsmasq.leases")


def make_closed(files: list[Path]) -> list[Path]:
    """Make the files that are missing, for root alone; returns what was made, folders first."""
    made = []
    for file in files:
        if not file.exists():
            folders = [folder for folder in reversed(file.parents) if not folder.exists()]
            for folder in folders:
                folder.mkdir(mode=0o700)
            file.touch(mode=0o600)
            made += [*folders, file]
    return made


def test_the_sandbox_lets_through_what_the_service_needs_and_nothing_else(
    installed: Machine,
) -> None:
    leases = ("/var/lib/misc/secret.leases", "/var/lib/NetworkManager/dnsmasq-wlan0.leases")
    empty = ("/tmp/secret", "/etc/pyvirt/leasewatch.toml")
    made = make_closed([installed.root / path[1:] for path in (*SECRETS, *leases, *empty)])
    installed.sh(f"printf leases | tee {' '.join(leases)}; systemctl stop leasewatch")
    unit = (installed.root / "etc/systemd/system/leasewatch.service").read_text()
    lines = [
        "ExecStart=/usr/bin/python3 /usr/local/lib/probe.py"
        if line.startswith("ExecStart=")
        else line
        for line in unit.replace("Type=notify", "Type=oneshot").splitlines()
    ]
    (installed.root / "usr/local/lib/probe.py").write_bytes(
        (HERE / "sandbox_probe.py").read_bytes()
    )
    probe = installed.root / "run/systemd/system/probe.service"
    probe.parent.mkdir(exist_ok=True)
    probe.write_text("\n".join(line for line in lines if not line.startswith("Restart")))
    try:
        installed.sh("systemctl daemon-reload; systemctl start probe")
        said = ["journalctl", "--unit=probe", "--identifier=python3", "--output=cat", "--quiet"]
        outcomes = wait_for("the probe in the journal", lambda: installed.run(said).stdout)
        assert json.loads(outcomes) == EXPECTED
    finally:
        probe.unlink()
        for path in reversed(made):
            path.rmdir() if path.is_dir() else path.unlink()
        installed.sh(
            "rm -f /usr/local/lib/probe.py /var/lib/leasewatch/probe; systemctl daemon-reload"
        )


SEEN_OF_ETC = {"alternatives", "ld.so.cache", "localtime", "pyvirt"}


def test_what_is_replaced_or_comes_later_in_etc_is_hidden_from_the_running_service(
    installed: Machine,
) -> None:
    inside = ["nsenter", f"--mount=/proc/{main_pid(installed)}/ns/mnt", "ls", "-A", "/etc"]
    assert set(installed.run(inside).stdout.split()) <= SEEN_OF_ETC
    installed.sh(
        "for f in shadow shadow- gshadow; do [ ! -e /etc/$f ] ||"
        " { cp -p /etc/$f /etc/$f.new && mv /etc/$f.new /etc/$f; }; done;"  # as passwd(1) does
        "mkdir /etc/wireguard; echo key >/etc/wireguard/wg0.conf; echo key >/etc/krb5.keytab"
    )
    try:
        assert set(installed.run(inside).stdout.split()) <= SEEN_OF_ETC
    finally:
        installed.sh("rm -r /etc/wireguard /etc/krb5.keytab")


def test_systemd_itself_rates_the_unit_as_safe(installed: Machine) -> None:
    installed.run(["systemd-analyze", "security", "--no-pager", "--threshold=16", "leasewatch"])


NETWORK = "pyvirt-network-lab.service"
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
        assert lab.run(["leasewatch", "ip", "phone"]).stdout == f"{address}\n"
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


def test_the_uninstall_of_the_readme_leaves_what_was_there_before_its_install(
    bare: tuple[Machine, str], machine: Machine
) -> None:
    _, before = bare
    machine.run(["nss-pyvirt", "install"])
    networks, rest = readme.scripts(readme.section("Uninstall"))
    assert "pyvirt network stop" in networks
    types(machine, rest)
    assert machine.sh(STATE).splitlines() == before.splitlines()
    assert not (machine.root / "opt/pyvirt").exists()
