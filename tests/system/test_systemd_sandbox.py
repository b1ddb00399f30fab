"""What leasewatch.service can see, and what it cannot."""

from __future__ import annotations

import json
from pathlib import Path

from tests.system.installed import (
    SETTINGS,
    lease,
    main_pid,
    resolves,
    wait_until_it_resolves,
    write_leases,
)
from tests.system.machine import Machine
from tests.system.sandbox_probe import EXPECTED, SECRETS
from tests.waiting import wait_for

HERE = Path(__file__).parent


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


SEEN_OF_ETC = {"alternatives", "group", "ld.so.cache", "localtime", "pyvirt"}


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
    assert shown.count("leasewatch.service cannot see this file") == 3
    assert shown.count("let the DHCP server keep its file in /var/lib/misc") == 2
    assert "sudo systemctl edit leasewatch: [Service] BindReadOnlyPaths=-/etc/etc.leases;" in shown


def test_a_folder_of_the_owner_is_seen_after_what_the_check_says_is_typed(
    installed: Machine,
) -> None:
    installed.sh("mkdir -p /srv/dhcp")
    (installed.root / "srv/dhcp/a.leases").write_text(lease("plotter", 7))
    settings = '[[source]]\npath = "/srv/dhcp/a.leases"\nnetwork = "office"\n'
    (installed.root / "etc/pyvirt/leasewatch.toml").write_text(settings)
    drop_in = installed.root / "etc/systemd/system/leasewatch.service.d/override.conf"
    drop_in.parent.mkdir()
    try:
        said = installed.run(["leasewatch", "serve", "--check"]).stderr
        assert "/srv/dhcp/a.leases: leasewatch.service cannot see this file\n" in said
        _, _, line = said.partition("sudo systemctl edit leasewatch: [Service] ")
        drop_in.write_text(f"[Service]\n{line.partition(';')[0]}\n")
        installed.sh("systemctl daemon-reload; systemctl restart leasewatch")
        wait_until_it_resolves(installed, "plotter")
        assert installed.run(["leasewatch", "serve", "--check"]).stderr == ""
        new = installed.root / "srv/dhcp/new"  # replaced by rename
        new.write_text(lease("copier", 8))
        installed.sh("mv /srv/dhcp/new /srv/dhcp/a.leases")
        wait_until_it_resolves(installed, "copier")
    finally:
        installed.sh(
            "rm -r /srv/dhcp /etc/systemd/system/leasewatch.service.d; systemctl daemon-reload"
        )


def test_a_source_that_is_installed_later_is_found(installed: Machine) -> None:
    write_leases(installed, lease("printer1", 5))
    wait_until_it_resolves(installed, "printer1")
    check = ["systemctl", "show", "-P", "InactiveEnterTimestampMonotonic", "leasewatch-sources"]
    checked, pid = installed.run(check).stdout, main_pid(installed)
    installed.sh("mkdir /var/lib/unrelated; rmdir /var/lib/unrelated")
    wait_for("the check", lambda: installed.run(check).stdout not in {checked, "0\n"}, 60)
    assert main_pid(installed) == pid
    folder = installed.root / "var/lib/incus/networks/incusbr0"
    try:
        for path in (folder.parents[1], folder.parent, folder):
            path.mkdir()
        (folder / "dnsmasq.leases").write_text(lease("later", 9))
        wait_until_it_resolves(installed, "later")
        assert resolves(installed, "printer1")
        installed.sh("rm -r /var/lib/incus; mkdir -p /var/lib/incus/networks/incusbr0")
        (folder / "dnsmasq.leases").write_text(lease("again", 10))
        wait_until_it_resolves(installed, "again")
    finally:
        installed.sh("rm -rf /var/lib/incus")


# The most that systemd may say against each, in tenths; the parents start QEMU and dnsmasq as root
RATES = {
    "leasewatch.service": 20,
    "leasewatch-dns.service": 20,
    "leasewatch-sources.service": 30,
    "pyvirt.service": 50,
    "pyvirt-network@lab.service": 50,
    "pyvirt-domain@web1.service": 65,
}


def test_systemd_itself_rates_the_units_as_safe(installed: Machine) -> None:
    for unit, most in RATES.items():
        rate = ["systemd-analyze", "security", "--no-pager", f"--threshold={most}", unit]
        installed.run(rate)


def test_a_preset_that_disables_everything_leaves_the_units_enabled(installed: Machine) -> None:
    preset = installed.root / "etc/systemd/system-preset/99-disable.preset"
    preset.write_text("disable *\n")
    try:
        installed.run(["systemctl", "preset", "leasewatch", "leasewatch-dns", "pyvirt"])
        for unit in ("leasewatch", "leasewatch-dns", "pyvirt"):
            assert installed.run(["systemctl", "is-enabled", unit]).stdout == "enabled\n"
    finally:
        preset.unlink()


def test_the_group_pyvirt_may_administer_the_service_and_others_may_look(
    installed: Machine,
) -> None:
    user = ["setpriv", "--reuid=1001", "--regid=1001"]
    shown = installed.run([*user, "--clear-groups", "leasewatch", "admin", "clients"]).stdout
    assert "leasewatch admin clients" in shown
    words = ["leasewatch", "admin", "log", "notice"]
    refused = installed.run([*user, "--clear-groups", *words], check=False)
    assert refused.returncode == 1
    assert "only root and members of the group pyvirt may change the service" in refused.stderr
    gid = installed.run(["getent", "group", "pyvirt"]).stdout.split(":")[2]
    done = installed.run([*user, f"--groups={gid}", *words]).stdout
    assert done == "the service logs notice and worse\n"
    installed.run([*user, f"--groups={gid}", "leasewatch", "admin", "reload"])


def test_varlinkctl_finds_the_service_in_the_registry_while_it_runs(installed: Machine) -> None:
    registry, socket = "/run/varlink/registry", "/run/leasewatch/org.pyvirt.LeaseWatch"
    links = f"cd {registry} && for name in *; do echo $name $(readlink $name); done"
    installed.run(["mkdir", "-p", registry])
    try:
        installed.run(["systemctl", "restart", "leasewatch"])
        found = installed.sh(links).split()
        assert found == ["org.pyvirt.Admin", socket, "org.pyvirt.LeaseWatch", socket]
        installed.run(["systemctl", "stop", "leasewatch"])
        assert installed.sh(f"ls {registry}") == ""
    finally:
        installed.run(["rm", "-r", "/run/varlink"])
        installed.run(["systemctl", "start", "leasewatch"])
