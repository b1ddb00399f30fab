"""DHCP servers of newer Debian suites: what they lease answers, however they write it down.

Each is in the version that its suite has on the day. What they wrote stays below .cache/recorded
(tests/leasewatch/recorded/README.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from tests.system.asking import has
from tests.system.dhcpv6 import ask_v6, release_v6
from tests.system.own_dnsmasq import FILE, MAC, NETWORK, RANGES, client, dnsmasq
from tests.system.world import World
from tests.system.writers import Note, Writers, listed, no_source_has_an_error

pytestmark = pytest.mark.long

ENDLESS = ("-x", "lease:4294967295")
OWNER = f'[[host]]\nname = "rack2"\nmac = "{MAC(2)}"\nnetwork = "{{}}"\n'


@pytest.fixture
def host(world: World) -> World:
    """A world with a bridge."""
    world.run(["sh", "-ec", NETWORK])
    return world


def serve(host: World, network: str) -> None:
    """Start the service, which knows the name of client 2's card on `network`."""
    host.run(["tee", "/etc/pyvirt/leasewatch.toml"], input=OWNER.format(network))
    host.serve()


def guests_come_and_go(host: World, record: Callable[[], None]) -> None:
    """Clients of every kind ask for IPv4 leases; some of them renew them and give them back."""
    web1 = client(host, 1)
    first = web1.dhcp("web1")
    has(host, "web1", first)
    second = client(host, 2).dhcp()
    has(host, "rack2", second)
    has(host, "web3", client(host, 3).dhcp("web3.corp.test"))
    has(host, "rock9", client(host, 9).dhcp("rock9", options=ENDLESS))
    has(host, "web6", client(host, 6).dhcp("Web6", options=["-x", "61:0074657374"]))
    gone = client(host, 7)
    has(host, "gone7", gone.dhcp("gone7"))
    gone.release()
    has(host, "gone7")
    assert listed(host, "rock9")["expires"] is None
    web1.renew()
    record()
    no_source_has_an_error(host)
    has(host, "web1", first)
    web1.release()
    has(host, "web1")
    has(host, "rack2", second)


UNIT = """
[Match]
Name=br9
[Network]
Address=10.9.0.1/24
DHCPServer=yes
[DHCPServer]
PersistLeases={}
MaxLeaseTimeSec=infinity
"""
# Where /sys is read-only it waits for no udev. The number of its user differs between the suites.
NETWORKD = """
for folder in /var/lib/systemd/network /run/systemd/netif; do
    mkdir -p $folder/links $folder/leases $folder/lldp
    chown -R systemd-network: $folder
done
mount -o remount,bind,ro /sys
exec env SYSTEMD_NETWORK_PERSISTENT_STORAGE_READY=1 /usr/lib/systemd/systemd-networkd
"""


@pytest.mark.parametrize(
    ("suite", "persist", "folder"),
    [
        ("trixie", "yes", "/var/lib/systemd/network"),
        ("sid", "yes", "/var/lib/systemd/network"),
        ("sid", "runtime", "/run/systemd/netif"),
    ],
    ids=["trixie", "sid", "sid-runtime"],
)
def test_leases_of_networkd_answer_wherever_it_keeps_them(
    host: World, record_property: Note, suite: str, persist: str, folder: str
) -> None:
    programs = Writers(host, suite, "/run/systemd/netif", "/var/lib/systemd/network")
    version = programs.version("systemd")
    record_property("systemd-networkd", version)
    serve(host, "br9")
    unit = f"{programs.path}/etc/systemd/network/br9.network"
    host.run(["tee", unit], input=UNIT.format(persist))
    programs.spawn(["sh", "-ec", NETWORKD])
    scene = f"networkd-{version}" + ("-runtime" if persist == "runtime" else "")
    file = f"{folder}/dhcp-server-lease/br9"
    guests_come_and_go(host, lambda: programs.record(scene, file))


@pytest.mark.parametrize(("suite", "options"), [("trixie", ()), ("sid", ("--leasequery",))])
def test_dnsmasqs_notes_do_not_disturb_its_leases(
    host: World, record_property: Note, suite: str, options: tuple[str, ...]
) -> None:
    programs = Writers(host, suite, "/var/lib/misc")
    version = programs.version("dnsmasq-base")
    record_property("dnsmasq", version)
    serve(host, "dnsmasq")
    programs.spawn(dnsmasq(*RANGES, f"--dhcp-host={MAC(9)},infinite", *options))
    both = client(host, 8)
    v4, v6 = both.dhcp("both8"), ask_v6(both, "both8")
    has(host, "both8", v4, v6)
    guests_come_and_go(host, lambda: programs.record(f"dnsmasq-{version}", FILE))
    has(host, "both8", v4, v6)
    release_v6(both)
    has(host, "both8", v4, without=v6)


def kea_settings(family: int, subnet: Mapping[str, object]) -> str:
    common = {
        "interfaces-config": {"interfaces": ["br9"], "service-sockets-max-retries": 100},
        "lease-database": {
            "type": "memfile",
            "name": f"/var/lib/kea/kea-leases{family}.csv",
            "lfc-interval": 2,
        },
        "valid-lifetime": 3600,
        "max-valid-lifetime": 4294967295,
        "ddns-qualifying-suffix": "example.org",
        f"subnet{family}": [{"id": 1, "interface": "br9", **subnet}],
    }
    return json.dumps({f"Dhcp{family}": common})


KEA = """
mkdir -p /run/kea
chmod 0750 /run/kea /var/lib/kea
export KEA_LOCKFILE_DIR=/run/kea KEA_PIDFILE_DIR=/run/kea
exec kea-dhcp$0 -c /etc/kea/tried$0.conf
"""


@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_leases_of_both_of_keas_servers_answer_through_its_clean_ups(
    host: World, record_property: Note, suite: str
) -> None:
    programs = Writers(host, suite, "/var/lib/kea")
    version = programs.version("kea-common")
    record_property("Kea", version)
    serve(host, "kea")
    for family, subnet in (
        (4, {"subnet": "10.9.0.0/24", "pools": [{"pool": "10.9.0.10-10.9.0.99"}]}),
        (6, {"subnet": "fd09::/64", "pools": [{"pool": "fd09::10-fd09::ff"}]}),
    ):
        settings = f"{programs.path}/etc/kea/tried{family}.conf"
        host.run(["tee", settings], input=kea_settings(family, subnet))
        programs.spawn(["sh", "-ec", KEA, str(family)])
    both = client(host, 8)
    v4, v6 = both.dhcp("both8"), ask_v6(both, "both8")
    has(host, "both8", v4, v6)
    guests_come_and_go(host, lambda: programs.record(f"kea-{version}-suffix", "/var/lib/kea"))
    old = "/var/lib/kea/kea-leases{}.csv.2".format
    cleaned = ["sh", "-c", f"grep -q both8 {old(4)} && grep -q both8 {old(6)}"]
    host.wait_for("clean-ups", lambda: not host.run(cleaned, check=False).returncode)
    programs.record(f"kea-{version}-cleaned", "/var/lib/kea")
    has(host, "both8", v4, v6)
    release_v6(both)
    has(host, "both8", v4, without=v6)
