"""The Debian packages on a booted Debian: install, reboot, upgrade, remove and purge."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import small_debian
from tests.system.debian import debian, types
from tests.system.debs import NAMES, build, needed, publish_later
from tests.system.every_byte import differences, files
from tests.system.guest import MARK, GuestFiles, slow_to_power_off
from tests.system.installed import is_active
from tests.system.machine import Machine
from tests.system.virtual_machines import GUEST, with_qemu
from tests.waiting import wait_for

SUITES = ["bookworm", *(pytest.param(suite, marks=pytest.mark.long) for suite in ("trixie", "sid"))]
OURS = " ".join(NAMES)
INSTALL = "sudo apt install --no-install-recommends ./*.deb 2>&1"
LAUNCH = (
    f"sudo pyvirt launch web1 --image disk.img --kernel {GUEST}/vmlinuz --initrd initrd"
    " --memory 96 --cpus 1 --accel tcg"
)
BOOT_ID = "ssh web1 cat /proc/sys/kernel/random/boot_id"
PID = "systemctl show -P MainPID pyvirt-domain@web1; pidof qemu-system-x86_64"
ASK = """
systemd-run --quiet --collect --unit=ask --uid=nobody -- sh -c '
    while :; do getent hosts web1 >/dev/null && echo found || echo missed; sleep 0.02; done'
"""
HOME = ("/home/user/*", "/home/user/.ssh/*", "/run/sudo*")
"""Files of the user, who has typed all of it."""


@pytest.fixture(params=SUITES)
def fresh(
    request: pytest.FixtureRequest, _namespaces: None, guest_files: GuestFiles, tmp_path: Path
) -> Iterator[Machine]:
    """It has what the packages depend on, but not them; they lie in its user's home."""
    debs = build(request.param)
    more = [] if request.param == "bookworm" else needed(debs, recommended=False)
    installed = [*small_debian(), *more]
    made = debian(request.param, None, tmp_path / "console", installed=installed, fetched=[])
    with made as machine, with_qemu(machine, guest_files):
        home = machine.root / "home/user"
        for deb in debs:
            shutil.copy(deb, home)
        (home / "disk.img").write_bytes(bytes(1 << 20))
        (home / "initrd").write_bytes(slow_to_power_off(guest_files, tmp_path / "initrd"))
        machine.sh(
            "ldconfig; apt-get -qq update; install -d -o user -g user -m 0700 /home/user/.ssh"
        )
        publish_later(debs, tmp_path / "later", machine)
        yield machine


def does(machine: Machine, script: str) -> str:
    """Type it as a user at home."""
    return types(machine, script, folder="")


def test_the_packages_from_their_install_to_their_purge(fresh: Machine) -> None:
    before = files(fresh.sh, HOME)
    _install(fresh)
    _launch(fresh)
    fresh.reboot()
    _wait_for_login(fresh)
    _upgrade_while_the_guest_runs(fresh)
    _remove(fresh)
    _install_again(fresh)
    does(fresh, f"sudo apt purge {OURS}")
    _compare(before, files(fresh.sh, HOME))
    _without_systemd(fresh, before)


def _install(machine: Machine) -> None:
    said = does(machine, INSTALL)
    assert not re.search(r"^(E: |W: |dpkg: |Failed |Job for )", said, re.MULTILINE), said
    assert is_active(machine, "leasewatch") == "active"
    (hosts,) = re.findall(r"^hosts:(.*)", _nsswitch(machine), re.MULTILINE)
    assert hosts.split()[:3] == ["files", "pyvirt", "[TRYAGAIN=return]"]
    does(machine, "nss-pyvirt status")


def _launch(machine: Machine) -> None:
    assert does(machine, LAUNCH).endswith(": ssh web1\n")
    assert does(machine, "ssh web1 hostname") == "web1\n"
    assert "web1" in does(machine, "getent hosts web1")


def _wait_for_login(machine: Machine) -> None:
    def answers() -> bool:
        return does(machine, "ssh -o ConnectTimeout=20 web1 hostname || true") == "web1\n"

    wait_for("ssh web1", answers, 300)


def _upgrade_while_the_guest_runs(machine: Machine) -> None:
    ran = does(machine, f"{PID}; {BOOT_ID}")
    machine.sh(ASK)
    does(machine, "sudo apt update && sudo apt upgrade")
    for name in NAMES:
        assert machine.sh(f"dpkg-query -W -f '${{Version}}' {name}").endswith(".1")
    machine.sh("systemctl stop ask")
    asked = machine.sh("journalctl -u ask -o cat --no-pager").splitlines()
    assert "found" in asked
    assert "missed" not in asked
    assert does(machine, f"{PID}; {BOOT_ID}") == ran
    does(machine, "nss-pyvirt status")


def _remove(machine: Machine) -> None:
    does(machine, f"sudo apt remove {OURS}")
    assert "pyvirt" not in _nsswitch(machine)
    assert machine.run(["pidof", "qemu-system-x86_64", "dnsmasq"], check=False).stdout == ""
    assert "web1" in machine.sh("ls /etc/pyvirt/domains")
    machine.run(["grep", "-rqs", MARK, "/var/lib/pyvirt/domains/web1"])  # it shut itself down


def _install_again(machine: Machine) -> None:
    does(machine, INSTALL)
    assert does(machine, "pyvirt domain list -o name") == "web1\n"
    does(machine, "sudo pyvirt up")
    _wait_for_login(machine)


CHANGED = "files mymachines resolve [!UNAVAIL=return] dns"


def _without_systemd(machine: Machine, before: dict[str, str]) -> None:
    """As in a plain chroot, also of some of the packages, and beside an owner's nsswitch.conf."""
    machine.sh(f"sed -i 's/^hosts:.*/hosts: {CHANGED}/' /etc/nsswitch.conf")
    changed = files(machine.sh, HOME)
    assert [line.split()[1] for line in differences(before, changed)] == ["/etc/nsswitch.conf"]
    for some in (["*"], ["libnss-pyvirt*"], ["leasewatch*"], ["leasewatch*", "pyvirt*"]):
        debs = " ".join(f"./{name}.deb" for name in some)
        said = machine.sh(
            f"""exec unshare --mount sh -ec '
            mount -t tmpfs tmpfs /run
            cd /home/user
            apt-get --no-install-recommends install {debs} 2>&1
            cat /etc/nsswitch.conf
            apt-get purge {OURS} 2>&1'""",
            timeout=300,
        )
        if "leasewatch*" not in some:
            assert f"hosts: {CHANGED}".replace("files", "files pyvirt [TRYAGAIN=return]") in said
        _compare(changed, files(machine.sh, HOME))


def _compare(before: dict[str, str], after: dict[str, str]) -> None:
    different = "\n".join(differences(before, after))
    assert not different, different


def _nsswitch(machine: Machine) -> str:
    return machine.run(["cat", "/etc/nsswitch.conf"]).stdout
