"""What is found below a root: files, networks' names, owners, and what is gone or harmed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection
from pathlib import Path

import pytest

from leasewatch.model import LeaseFile, Nic
from leasewatch.sources.discovery import Discovery, Found

LIBVIRT = "var/lib/libvirt/dnsmasq"
INCUS = "var/lib/incus/networks/incusbr0"
NETWORKD = ("var/lib/systemd/network", "run/systemd/netif")
MAC = "52:54:00:00:00:01"


class Host:
    """A root folder, and what is found there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.leases = True
        """Whether lease files have leases that have not ended."""
        self.discovery = Discovery(root, lambda _path: self.leases)
        self.now = 100.0

    def interfaces(self, *names: str) -> None:
        shutil.rmtree(self.root / "sys/class/net", ignore_errors=True)
        for name in ("lo", *names):
            (self.root / "sys/class/net" / name).mkdir(parents=True)

    def write(self, path: str, text: str = "", written: float | None = None) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}")
        temporary.write_text(text)
        if written is not None:
            os.utime(temporary, (written, written))
        return temporary.rename(file)

    def macs(self, network: str, domains: dict[str, list[str]], written: float = 1000) -> None:
        listed = [{"domain": name, "macs": macs} for name, macs in domains.items()]
        self.write(f"{LIBVIRT}/{network}.macs", json.dumps(listed), written)

    def scan(self, off: Collection[str] = (), known: Collection[LeaseFile] = ()) -> Found:
        return self.discovery.scan(known, "internal", off, self.now)

    def files(self, off: Collection[str] = ()) -> dict[str, tuple[str, str]]:
        found = self.scan(off).lease_files
        return {f.path.removeprefix(f"{self.root}/"): (f.kind, f.network) for f in found}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize(
    ("path", "kind", "network"),
    [
        ("var/lib/misc/dnsmasq.leases", "dnsmasq", "dnsmasq"),
        ("var/lib/misc/dnsmasq.lxcbr0.leases", "lxc", "lxcbr0"),
        (f"{LIBVIRT}/virbr0.status", "libvirt", "virbr0"),
        (f"{INCUS}/dnsmasq.leases", "incus", "incusbr0"),
        ("var/lib/lxd/networks/lxdbr0/dnsmasq.leases", "lxd", "lxdbr0"),
        ("var/snap/lxd/common/lxd/networks/lxdbr0/dnsmasq.leases", "lxd", "lxdbr0"),
        (
            "var/snap/multipass/common/data/multipassd/network/dnsmasq.leases",
            "multipass",
            "multipass",
        ),
        ("var/lib/NetworkManager/dnsmasq-eth1.leases", "networkmanager", "eth1"),
        ("var/lib/systemd/network/dhcp-server-lease/ve-x", "networkd", "ve-x"),
        ("run/systemd/netif/dhcp-server-lease/ve-x", "networkd", "ve-x"),
        ("var/lib/kea/kea-leases4.csv", "kea", "kea"),
        ("var/lib/kea/kea-leases6.csv", "kea", "kea"),
    ],
)
def test_a_lease_file_is_found_where_its_program_keeps_it(
    host: Host, path: str, kind: str, network: str
) -> None:
    assert host.files() == {}
    host.write(path)
    host.write(str(Path(path).with_name(".new")))
    assert host.files() == {path: (kind, network)}
    assert path not in host.files(off={kind})


def test_folders_to_watch_are_returned_before_they_exist(host: Host) -> None:
    folders = host.scan().folders
    assert folders[f"{host.root}/{LIBVIRT}"] == {".status", ".macs", ".conf"}
    assert folders[f"{host.root}/var/lib/incus/networks"] == {""}
    assert folders[f"{host.root}/var/lib/kea"] == {"kea-leases4.csv", "kea-leases6.csv"}
    host.write(f"{INCUS}/dnsmasq.leases")
    assert host.scan().folders[f"{host.root}/{INCUS}/dnsmasq.hosts"] == {""}


def test_a_network_has_the_interface_that_its_programs_files_are_named_after(host: Host) -> None:
    host.write(f"{LIBVIRT}/default.conf", "interface=virbr0\n")
    host.macs("virbr0", {"vm1": [MAC]})  # no lease yet, hence no .status
    host.write(f"{INCUS}/dnsmasq.leases")
    host.write("var/lib/multipass/network/dnsmasq.leases")
    host.write("var/lib/NetworkManager/dnsmasq-eth1.leases")
    host.write("var/lib/systemd/network/dhcp-server-lease/br5", "{}")
    host.write("var/lib/misc/dnsmasq.leases")
    assert host.scan().bridges == {
        "default": ["virbr0"],
        "incusbr0": ["incusbr0"],
        "multipass": ["mpqemubr0", "mpqemubrzone1", "mpqemubrzone2", "mpqemubrzone3"],
        "eth1": ["eth1"],
        "br5": ["br5"],
    }


def test_libvirts_networks_have_the_names_of_their_configurations(host: Host) -> None:
    host.write(f"{LIBVIRT}/virbr7.status")
    host.write(f"{LIBVIRT}/labnat.conf", "strict-order\ninterface=virbr7\n")
    host.macs("virbr7", {"web1": [MAC]})
    assert host.files() == {f"{LIBVIRT}/virbr7.status": ("libvirt", "labnat")}
    (domain,) = host.scan().domains
    assert domain.nics == (Nic("labnat", MAC),)


def test_an_interface_whose_leases_networkd_keeps_elsewhere_since_is_one_network(
    host: Host,
) -> None:
    folders = [f"{folder}/dhcp-server-lease" for folder in NETWORKD]
    assert {f"{host.root}/{folder}" for folder in folders} <= host.scan().folders.keys()
    for folder in folders:
        host.write(f"{folder}/br5", "{}")
    assert set(host.files().values()) == {("networkd", "br5")}
    assert len(host.files()) == 2


def test_a_domain_has_its_cards_of_every_network_and_is_as_old_as_its_first_file(
    host: Host,
) -> None:
    other = "52:54:00:00:00:02"
    host.macs("virbr0", {"web1": [MAC]}, written=1000)
    (domain,) = host.scan().domains
    assert (domain.name, domain.started, domain.pending_until) == ("web1", 1000, 1060)
    host.macs("virbr0", {"web1": [MAC], "db1": []}, written=2000)
    host.macs("virbr1", {"web1": [other]}, written=2000)
    (domain,) = host.scan().domains
    assert domain.nics == (Nic("virbr0", MAC), Nic("virbr1", other))
    assert domain.started == 1000
    host.macs("virbr0", {})
    host.macs("virbr1", {})
    assert host.scan().domains == []
    host.macs("virbr0", {"web1": [MAC]}, written=3000)
    assert host.scan().domains[0].started == 3000


def test_the_start_of_a_domain_found_at_the_first_scan_is_unknown(
    host: Host,
) -> None:
    def starts(off: Collection[str] = ()) -> dict[str, tuple[float, bool]]:
        return {d.name: (d.started, d.start_seen) for d in host.scan(off).domains}

    host.macs("virbr0", {"web1": [MAC]}, written=1000)
    assert starts() == {"web1": (1000, False)}
    host.macs("virbr0", {"web1": [MAC], "db1": []}, written=2000)
    assert starts() == {"web1": (1000, False)}
    host.macs("virbr0", {"web1": [MAC], "db1": ["52:54:00:00:00:02"]}, written=3000)
    assert starts() == {"web1": (1000, False), "db1": (3000, True)}
    host.macs("virbr0", {"db1": ["52:54:00:00:00:02"]}, written=4000)
    assert starts() == {"db1": (3000, True)}
    host.macs("virbr0", {"web1": [MAC], "db1": ["52:54:00:00:00:02"]}, written=5000)
    assert starts() == {"web1": (5000, True), "db1": (3000, True)}
    assert starts(off={"libvirt"}) == {}
    assert starts() == {"web1": (5000, False), "db1": (5000, False)}


def test_incus_instances_own_their_names_whether_they_run_or_not(host: Host) -> None:
    host.write(f"{INCUS}/dnsmasq.hosts/web1.eth0", f"{MAC},10.0.0.5,web1\n")
    host.write(f"{INCUS}/dnsmasq.hosts/stage_web1.eth0", "52:54:00:00:00:02,web1.stage\n")
    host.write(f"{INCUS}/dnsmasq.hosts/stage_web1.eth1", "52:54:00:00:00:03,web1.stage\n")
    domains = host.scan().domains
    assert {d.runs for d in domains} == {False}
    assert [(d.name, d.aliases, [nic.mac for nic in d.nics], d.pending_until) for d in domains] == [
        ("web1", ("web1.stage",), ["52:54:00:00:00:02", "52:54:00:00:00:03"], 0),
        ("web1", (), [MAC], 0),
    ]


def test_two_sources_never_share_a_networks_name(host: Host) -> None:
    host.write(f"{LIBVIRT}/lab.status")
    host.write("var/lib/incus/networks/lab/dnsmasq.leases")
    known = LeaseFile(path="/l/lab.leases", network="lab", suffix="internal", kind="pyvirt")
    found = host.scan(known=[known]).lease_files
    assert [file.network for file in found] == ["lab", "lab-libvirt", "lab-incus"]


def test_networks_whose_names_differ_in_their_case_alone_never_share_one(host: Host) -> None:
    for name, bridge in (("LAB", "virbr1"), ("Lab", "virbr2"), ("LAB-libvirt", "virbr3")):
        host.write(f"{LIBVIRT}/{name}.conf", f"interface={bridge}\n")
        host.write(f"{LIBVIRT}/{bridge}.status")
    known = LeaseFile(path="/l/lab.leases", network="lab", suffix="internal", kind="pyvirt")
    networks = [file.network for file in host.scan(known=[known]).lease_files]
    assert len({network.lower() for network in networks}) == 4
    assert networks == [file.network for file in host.scan(known=[known]).lease_files]


def test_a_file_that_the_settings_name_is_theirs(host: Host) -> None:
    path = host.write("var/lib/misc/dnsmasq.leases")
    known = LeaseFile(path=str(path), network="lan", suffix="internal")
    assert host.scan(known=[known]).lease_files == [known]


@pytest.mark.parametrize("text", ["", "[", '[{"domain": "web1", "ma'])
def test_a_damaged_list_of_domains_keeps_its_last_value_and_is_reported(
    host: Host, text: str
) -> None:
    host.macs("virbr0", {"web1": [MAC]})
    host.write(f"{INCUS}/dnsmasq.hosts/web2.eth0", f"{MAC},web2\n")
    assert len(host.scan().domains) == 2
    host.write(f"{LIBVIRT}/virbr0.macs", text or "7")
    host.write(f"{INCUS}/dnsmasq.hosts/web2.eth0", text)
    found = host.scan()
    assert {domain.name for domain in found.domains} == {"web1", "web2"}
    assert [(p.source, p.denied) for p in found.problems] == [("libvirt", False), ("incus", False)]
    host.macs("virbr0", {})
    assert [domain.name for domain in host.scan().domains] == ["web2"]


@pytest.mark.parametrize(
    ("path", "interface"),
    [
        ("var/lib/misc/dnsmasq.lxcbr0.leases", "lxcbr0"),
        (f"{LIBVIRT}/virbr0.status", "virbr0"),
        (f"{INCUS}/dnsmasq.leases", "incusbr0"),
        ("var/lib/NetworkManager/dnsmasq-eth1.leases", "eth1"),
    ],
)
def test_a_lease_file_that_vanishes_counts_until_its_leases_end_or_its_interface_goes(
    host: Host, path: str, interface: str
) -> None:
    host.interfaces(interface)
    host.write(path)
    found = host.files()
    for gone in (host.root / path, (host.root / path).parent, (host.root / path).parents[1]):
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
        host.now += 3600
        assert host.files() == found
    host.interfaces()
    assert host.files() == {}
    host.interfaces(interface)
    assert host.files() == {}
    host.write(path)
    assert host.files() == found
    (host.root / path).unlink()
    assert host.files() == found
    host.leases = False
    assert host.files() == {}


@pytest.mark.parametrize("path", ["var/lib/kea/kea-leases4.csv", "var/lib/misc/dnsmasq.leases"])
def test_a_vanished_file_without_a_known_interface_counts_until_its_leases_end(
    host: Host, path: str
) -> None:
    host.interfaces()
    host.write(path)
    found = host.files()
    shutil.rmtree((host.root / path).parent)
    host.now += 3600
    assert host.files() == found
    host.leases = False
    assert host.files() == {}


@pytest.mark.parametrize("folder", NETWORKD)
def test_networkds_file_goes_with_its_last_lease_but_not_with_its_folder(
    host: Host, folder: str
) -> None:
    path = f"{folder}/dhcp-server-lease/ve-x"
    host.interfaces("ve-x")
    file = host.write(path)
    found = host.files()
    away = file.parent.rename(host.root / "away")
    host.now += 3600
    assert host.files() == found
    file.parent.mkdir()  # recreated
    assert host.files() == found
    file.parent.rmdir()
    away.rename(file.parent)
    assert host.files() == found
    file.unlink()
    assert host.files() == {}


def test_owners_outlive_a_rewritten_folder_but_not_their_card(
    host: Host,
) -> None:
    host.interfaces("incusbr0", "virbr0")
    card = host.write(f"{INCUS}/dnsmasq.hosts/web1.eth0", f"{MAC},web1\n")
    host.macs("virbr0", {"db1": [MAC]})
    found = host.scan().domains
    assert {domain.name for domain in found} == {"web1", "db1"}
    for folder in (host.root / INCUS, host.root / LIBVIRT):
        folder.rename(host.root / folder.name)
    host.now += 3600
    assert host.scan().domains == found
    for folder in (host.root / INCUS, host.root / LIBVIRT):
        (host.root / folder.name).rename(folder)
    assert host.scan().domains == found
    card.unlink()
    host.now += 1.9
    there = host.scan()
    assert there.domains == found
    assert there.problems == []
    host.now += 0.2
    assert [domain.name for domain in host.scan().domains] == ["db1"]
    host.interfaces()
    assert len(host.scan().domains) == 1  # its file is there
    shutil.rmtree(host.root / LIBVIRT)
    assert host.scan().domains == []


def test_a_networks_name_outlives_its_configuration_while_its_bridge_is_there(host: Host) -> None:
    host.interfaces("virbr7")
    host.write(f"{LIBVIRT}/virbr7.status")
    conf = host.write(f"{LIBVIRT}/labnat.conf", "interface=virbr7\n")
    found = host.files()
    assert found == {f"{LIBVIRT}/virbr7.status": ("libvirt", "labnat")}
    conf.unlink()
    assert host.files() == found
    host.interfaces()
    assert host.files() == {f"{LIBVIRT}/virbr7.status": ("libvirt", "virbr7")}


def test_a_network_that_is_removed_goes_with_its_instances(host: Host) -> None:
    host.interfaces("incusbr0")
    host.write(f"{INCUS}/dnsmasq.leases")
    host.write(f"{INCUS}/dnsmasq.hosts/web1.eth0", f"{MAC},web1\n")
    assert len(host.scan().domains) == 1
    shutil.rmtree(host.root / INCUS)
    host.interfaces()
    assert host.scan().domains == []
    assert host.files() == {}
