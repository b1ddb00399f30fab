"""Lease files of other programs under their true modes, with the service's one capability, without.

The modes are those that Incus (0711), NetworkManager (0700) and libvirt (0600 for NETWORK.conf)
give to their folders and files.
"""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.system.asking import finds
from tests.system.world import World

INCUS = "/var/lib/incus/networks/incusbr0"
LIBVIRT = "/var/lib/libvirt/dnsmasq"
LAYOUT = f"""
set -e
later=$(($(date +%s) + 3600))
mkdir -p {INCUS}/dnsmasq.hosts {LIBVIRT} /var/lib/NetworkManager
echo "$later 10:66:6a:00:00:01 10.1.0.1 forged *" > {INCUS}/dnsmasq.leases
echo "10:66:6a:00:00:01,ct1" > {INCUS}/dnsmasq.hosts/ct1.eth0
echo "$later 52:54:00:00:00:02 10.2.0.2 nm1 *" > /var/lib/NetworkManager/dnsmasq-eth1.leases
echo interface=virbr0 > {LIBVIRT}/lab.conf
echo '[{{"domain": "vm1", "macs": ["52:54:00:00:00:03"]}}]' > {LIBVIRT}/virbr0.macs
echo '[{{"ip-address": "10.3.0.3", "mac-address": "52:54:00:00:00:03",' \\
    '"expiry-time": '$later'}}]' > {LIBVIRT}/virbr0.status
chmod 0711 /var/lib/incus /var/lib/incus/networks {INCUS} {INCUS}/dnsmasq.hosts
chmod 0640 {INCUS}/dnsmasq.leases {INCUS}/dnsmasq.hosts/ct1.eth0
chmod 0700 /var/lib/NetworkManager
chmod 0600 {LIBVIRT}/lab.conf
"""
NEVER_RESCAN = """
from leasewatch.cli.serve import serve
from leasewatch.paths import Paths

serve(Paths(), rescan_seconds=86400)
"""


@pytest.fixture
def host(world: World) -> World:
    world.run(["sh", "-c", LAYOUT])
    return world


def sources(world: World) -> dict[str, list[dict[str, str]]]:
    """`leasewatch sources` by source."""
    rows = json.loads(world.run(["leasewatch", "sources", "-o", "json"]).stdout)
    found: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        found.setdefault(row["source"], []).append(row)
    return found


def test_with_its_one_capability_the_service_sees_closed_folders_and_their_changes(
    host: World,
) -> None:
    host.serve("python", "-c", NEVER_RESCAN)
    assert finds(host, "ct1.incusbr0.internal") == ["10.1.0.1"]
    assert finds(host, "nm1.eth1.internal") == ["10.2.0.2"]
    assert finds(host, "vm1.lab.internal") == ["10.3.0.3"]
    listed = sources(host)
    assert {
        row["state"] for name in ("incus", "networkmanager", "libvirt") for row in listed[name]
    } == {"watched"}
    assert not [row for rows in listed.values() for row in rows if row["error"]]
    # inotify works in these folders too.
    folder = "/var/lib/NetworkManager"
    for n in range(2, 6):
        edit = f"sed s/ct{n - 1}/ct{n}/ ct1.eth0 > sed7; sleep 0.1; mv sed7 ct1.eth0"
        host.run(["sh", "-ec", f"cd {INCUS}/dnsmasq.hosts; {edit}"])  # sed -i, on a slow machine
        host.wait_for(f"ct{n}", lambda: finds(host, f"ct{n}") == ["10.1.0.1"])  # noqa: B023
        copy = f"sed s/nm1/nm{n}/ {folder}/dnsmasq-eth1.leases > /run/x"
        host.run(["sh", "-c", f"{copy}; mv /run/x {folder}/dnsmasq-eth{n}.leases"])
        name = f"nm{n}.eth{n}.internal"
        host.wait_for(name, lambda: finds(host, name) == ["10.2.0.2"])  # noqa: B023


def test_without_it_sources_names_each_closed_folder_and_what_helps(host: World) -> None:
    service = host.spawn(
        [
            *("setpriv", "--reuid=leasewatch", "--regid=leasewatch", "--clear-groups"),
            *("--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"),
            *("leasewatch", "serve"),
        ]
    )
    host.wait_for(
        "the service to answer",
        lambda: (
            service.poll() is None
            and not host.run(["leasewatch", "list", "-o", "name"], check=False).stderr
        ),
    )
    listed = sources(host)
    denied = {
        row["path"] for rows in listed.values() for row in rows if row["state"] == "unreadable"
    }
    assert denied == {"/var/lib/incus/networks", "/var/lib/NetworkManager", f"{LIBVIRT}/lab.conf"}
    for name in ("incus", "networkmanager", "libvirt"):
        (row,) = [row for row in listed[name] if row["state"] == "unreadable"]
        assert "CAP_DAC_READ_SEARCH" in row["hint"]
    # What may be read counts; the network then has the name of its bridge.
    assert finds(host, "vm1.virbr0.internal") == ["10.3.0.3"]
    assert finds(host, "ct1") == []
    shown = host.run(["leasewatch", "sources"]).stdout
    assert "/var/lib/NetworkManager" in shown
    table = csv.DictReader(io.StringIO(host.run(["leasewatch", "sources", "-o", "csv"]).stdout))
    written = {row["path"]: row["modified"] for row in table if row["state"] == "watched"}
    assert written
    assert all(float(at) > 1e9 for at in written.values())


def test_a_folder_that_is_closed_later_keeps_its_names(host: World) -> None:
    service = host.spawn(
        [
            *("setpriv", "--reuid=leasewatch", "--regid=leasewatch", "--clear-groups"),
            *("--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"),
            *("leasewatch", "serve"),
        ]
    )
    host.wait_for("vm1", lambda: service.poll() is None and finds(host, "vm1") == ["10.3.0.3"])
    host.run(["chmod", "0700", LIBVIRT])
    host.wait_for(
        "the closed folder to be told",
        lambda: LIBVIRT in {row["path"] for row in sources(host)["libvirt"]},
    )
    assert finds(host, "vm1") == ["10.3.0.3"]
    host.run(["chmod", "0755", LIBVIRT])
    host.wait_for(
        "the folder to be open again",
        lambda: LIBVIRT not in {row["path"] for row in sources(host)["libvirt"]},
    )
    assert finds(host, "vm1") == ["10.3.0.3"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/var/lib/misc/dnsmasq.lxcbr0.leases", "c1.lxcbr0.internal"),
        ("/var/lib/NetworkManager/dnsmasq-br9.leases", "c1.br9.internal"),
        ("/var/lib/multipass/network/dnsmasq.leases", "c1.multipass.internal"),
        ("/var/lib/lxd/networks/lxdbr0/dnsmasq.leases", "c1.lxdbr0.internal"),
    ],
)
def test_a_real_dnsmasq_is_seen_where_each_program_has_its_lease_file(
    world: World, path: str, name: str
) -> None:
    for command in ("link add br9 type bridge", "addr add 10.9.0.1/24 dev br9", "link set br9 up"):
        world.run(["ip", *command.split()])
    world.serve("python", "-c", NEVER_RESCAN)
    folder = path.rpartition("/")[0]
    world.run(["sh", "-c", f"mkdir -p {folder} && chmod 0700 {folder}"])
    world.spawn(
        [
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root"),
            *("--port=0", "--interface=br9", "--bind-dynamic", "--no-ping", "--pid-file="),
            *("--dhcp-range=10.9.0.10,10.9.0.99,1h", "--dhcp-authoritative"),
            f"--dhcp-leasefile={path}",
        ]
    )
    address = world.client("c1", "br9").dhcp("c1")
    world.wait_for(name, lambda: finds(world, name) == [address])
