"""leasewatch-dns.service: when it runs, what it sees, and what a change of [dns] takes."""

from __future__ import annotations

import json

from tests.system.installed import SETTINGS, is_active, lease, write_leases
from tests.system.machine import Machine
from tests.waiting import wait_for

UNIT = "leasewatch-dns"
LISTEN = '[dns]\nlisten = ["127.0.0.1"]\n'
SITE = 'host = "hosta"\nsite = "example.org"\nkey = "site"\n'
ASK = """
import dns.message, dns.query, sys
reply = dns.query.udp(dns.message.make_query(sys.argv[1], "A"), "127.0.0.1", 20)
print(*(one for rrset in reply.answer for one in rrset))
"""


def settings(machine: Machine, dns: str) -> None:
    (machine.root / "etc/pyvirt/leasewatch.toml").write_text(SETTINGS + dns)


def answer(machine: Machine, name: str) -> str:
    """What port 53 answers."""
    return machine.run(["/opt/pyvirt/bin/python", "-c", ASK, name]).stdout.strip()


def zones(machine: Machine) -> list[str]:
    status = json.loads(machine.run(["leasewatch", "dns", "-o", "json"]).stdout)
    return [zone["zone"] for zone in status["zones"]]


def test_it_runs_while_the_settings_ask_for_it(installed: Machine) -> None:
    write_leases(installed, lease("printer1", 5))
    assert installed.run(["systemctl", "is-enabled", UNIT]).stdout == "enabled\n"
    assert is_active(installed, UNIT) == "inactive"  # not failed
    asked = installed.run(["leasewatch", "dns"], check=False).stderr
    assert "[dns] in /etc/pyvirt/leasewatch.toml is empty" in asked

    settings(installed, LISTEN)
    installed.run(["systemctl", "reload-or-restart", "leasewatch"])
    installed.run(["systemctl", "restart", UNIT])
    assert is_active(installed, UNIT) == "active"
    wait_for("the name", lambda: answer(installed, "printer1") == "10.9.0.5")
    user = ["systemctl", "show", "-P", "MainPID", UNIT]
    pid = installed.run(user).stdout.strip()
    assert installed.run(["stat", "-c", "%U", f"/proc/{pid}"]).stdout == "leasewatch-dns\n"

    path = installed.run(["leasewatch", "dns", "key", "site"]).stdout.strip()
    assert installed.run(["stat", "-c", "%U %a", path]).stdout == "leasewatch-dns 600\n"
    settings(installed, LISTEN + SITE)
    installed.run(["systemctl", "reload", "leasewatch"])
    wait_for("the zone", lambda: zones(installed) == ["hosta.vm.example.org"])
    assert installed.run(user).stdout.strip() == pid

    settings(installed, "")
    installed.run(["systemctl", "reload", "leasewatch"])
    wait_for("its end", lambda: is_active(installed, UNIT) == "inactive")
    installed.run(["systemctl", "start", UNIT])  # skipped, and no failure
    assert is_active(installed, UNIT) == "inactive"


def test_it_sees_no_lease_file_and_no_secret_of_others(installed: Machine) -> None:
    write_leases(installed, lease("printer1", 5))
    settings(installed, LISTEN)
    installed.run(["systemctl", "restart", UNIT])
    pid = installed.run(["systemctl", "show", "-P", "MainPID", UNIT]).stdout.strip()

    def seen(folder: str) -> set[str]:
        inside = ["nsenter", f"--mount=/proc/{pid}/ns/mnt", "ls", "-A", folder]
        return set(installed.run(inside, check=False).stdout.split())

    assert not seen("/etc") & {"shadow", "gshadow", "passwd", "ssh", "ssl"}
    assert "leasewatch.toml" in seen("/etc/pyvirt")
    for folder in ("/var/lib/misc", "/var/lib/leasewatch", "/var/lib/pyvirt", "/root", "/tmp"):
        assert seen(folder) == set(), folder
    found = installed.sh(f"grep -E '^Cap(Eff|Bnd|Amb)' /proc/{pid}/status").split()[1::2]
    assert set(found) == {f"{1 << 10:016x}"}  # CAP_NET_BIND_SERVICE


def test_varlinkctl_finds_it_in_the_registry_while_it_runs(installed: Machine) -> None:
    link = "/run/varlink/registry/org.pyvirt.Dns"
    settings(installed, LISTEN)
    installed.run(["mkdir", "-p", "/run/varlink/registry"])
    try:
        installed.run(["systemctl", "restart", UNIT])
        found = installed.run(["readlink", link]).stdout.strip()
        assert found == "/run/leasewatch-dns/org.pyvirt.Dns"
        installed.run(["systemctl", "stop", UNIT])
        assert installed.run(["readlink", link], check=False).returncode == 1
    finally:
        installed.run(["rm", "-r", "/run/varlink"])


def test_a_key_with_a_fault_is_one_line_in_the_journal(installed: Machine) -> None:
    settings(installed, LISTEN + SITE)
    assert installed.run(["systemctl", "restart", UNIT], check=False).returncode == 1
    said = installed.run(["journalctl", "-u", UNIT, "-o", "cat", "--no-pager"]).stdout
    assert "there is no key /etc/pyvirt/dns/site.key" in said
    assert "sudo leasewatch dns key site" in said
    assert "Traceback" not in said
    installed.run(["systemctl", "stop", UNIT])
    installed.run(["systemctl", "reset-failed", UNIT], check=False)


def test_withdraw_waits_for_the_service_to_stop_and_reads_its_key(installed: Machine) -> None:
    installed.run(["leasewatch", "dns", "key", "update"])
    update = '[dns.update]\nserver = "127.0.0.1:9"\nzone = "vms.test"\nkey = "update"\n'
    settings(installed, update)
    installed.run(["systemctl", "restart", UNIT])
    withdraw = ["leasewatch", "dns", "withdraw"]
    assert "sudo systemctl stop leasewatch-dns" in installed.run(withdraw, check=False).stderr
    installed.run(["systemctl", "stop", UNIT])
    refused = installed.run(withdraw, check=False).stderr
    assert "127.0.0.1 port 9 cannot be reached: Connection refused" in refused
    state = "/var/lib/leasewatch-dns/vms.test.names"
    installed.run(["install", "-o", "leasewatch-dns", "/dev/null", state])  # as if exported before
    removed = installed.run(["nss-pyvirt", "remove"]).stdout
    installed.run(["rm", state])
    kept = "kept the names in the zone of [dns.update]: 127.0.0.1 port 9 cannot be reached"
    assert f"{kept}: Connection refused\n" in removed
