"""The real installation, on a Debian whose PID 1 is systemd, typed as the README says."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from nss_pyvirt import __version__
from tests.system.debian import STATE
from tests.system.installed import (
    SETTINGS,
    is_active,
    lease,
    main_pid,
    resolves,
    wait_until_it_resolves,
    write_leases,
)
from tests.system.machine import Machine
from tests.waiting import wait_for


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
    assert bare.returncode == 1
    hints = bare.stdout.count("hint: sudo nss-pyvirt install\n")
    assert hints in {1, 2}, bare.stdout  # the settings, between the bad rows, are sound
    asked = machine.run(["leasewatch", "list"], check=False).stderr
    assert "hint: sudo nss-pyvirt install\n" in asked
    done = machine.run(["nss-pyvirt", "install"]).stdout
    assert "linked tab completion for bash, zsh and fish\n" in done
    for path in ("bash-completion/completions/pyvirt", "man/man1/leasewatch.1"):
        assert (machine.root / "usr/local/share" / path).is_symlink()
        machine.run(["test", "-s", f"/usr/local/share/{path}"])
    assert is_active(machine, "leasewatch") == "active"
    assert machine.run(["systemctl", "is-enabled", "leasewatch"]).stdout == "enabled\n"
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]  # without D-Bus
    rows = json.loads(machine.run([*as_nobody, "nss-pyvirt", "status", "-o", "json"]).stdout)
    states = {row["subject"]: row["state"] for row in rows}
    wanted = ("nsswitch", "module", "snapshot", "service", "settings", "unit", "boot", "user")
    assert {subject: states[subject] for subject in wanted} == dict.fromkeys(wanted, "ok"), rows
    assert "bad" not in states.values(), rows
    assert machine.run(["nss-pyvirt", "install"]).stdout == "everything is installed already\n"
    machine.run(["systemctl", "disable", "leasewatch"])
    status = machine.run(["nss-pyvirt", "status"], check=False).stdout
    assert "does not start at boot" in status
    assert machine.run(["nss-pyvirt", "install"]).stdout == "enabled leasewatch.service\n"
    machine.run(["nss-pyvirt", "status"])

    machine.run(["nss-pyvirt", "remove"])
    assert machine.sh(STATE).splitlines() == before.splitlines()
    assert is_active(machine, "leasewatch") == "inactive"
    assert machine.run(["nss-pyvirt", "remove"]).stdout == "nothing is installed\n"


PACKAGE = "/opt/pyvirt/lib/python3*/site-packages/nss_pyvirt/__init__.py"


def upgrade(machine: Machine, old: str, new: str) -> None:
    """As pip would: the program is of another version from now on."""
    machine.sh(f'sed -i \'s/^__version__ = "{old}"/__version__ = "{new}"/\' {PACKAGE}')


def test_install_after_an_upgrade_has_the_new_version_run(installed: Machine) -> None:
    old = main_pid(installed)
    upgrade(installed, __version__, "99")
    try:
        status = installed.run(["nss-pyvirt", "status"], check=False).stdout
        assert re.search(r"^bad +unit .*another version", status, re.MULTILINE), status
        assert "restarted leasewatch.service\n" in installed.run(["nss-pyvirt", "install"]).stdout
        assert main_pid(installed) not in {old, "0"}
        stale = ["systemctl", "show", "-P", "NeedDaemonReload", "leasewatch"]
        assert installed.run(stale).stdout == "no\n"
        installed.run(["nss-pyvirt", "status"])
        assert (
            installed.run(["nss-pyvirt", "install"]).stdout == "everything is installed already\n"
        )
    finally:
        upgrade(installed, "99", __version__)


# A service that cannot start with any settings.
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
        upgrade(machine, __version__, "99")
        fail()
        machine.run(["systemctl", "start", "leasewatch"], check=False)
    finally:
        upgrade(machine, "99", __version__)
        machine.sh(MEND)
        machine.run(["nss-pyvirt", "remove"])
        assert is_active(machine, "leasewatch") == "inactive"
        machine.sh("rm -rf /etc/pyvirt /var/lib/leasewatch")


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
    assert re.search(r"^bad +settings .*netwrok", status, re.MULTILINE), status
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
    assert "hint: sudo systemctl restart leasewatch" in status.stdout

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
