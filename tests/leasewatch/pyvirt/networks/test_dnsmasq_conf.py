"""dnsmasq's file: what dnsmasq itself says of it, and leases saved from a broken one."""

from __future__ import annotations

import ipaddress
import subprocess
from pathlib import Path

import msgspec
import pytest

from leasewatch.pyvirt.defined.network import Mode, Network
from leasewatch.pyvirt.networks import dnsmasq_conf
from nss_pyvirt import programs
from nss_pyvirt.errors import UserError

LAB = Network(name="lab", subnet="10.77.0.0/24", subnet6="fd00:1:2::/64")
KEPT = ["web1", "my_vm", "5m", "a", "ignore", "ip6-*", "0x10"]
NOW = 1_800_000_000
WEB = b"1800000100 52:54:00:00:00:01 10.77.0.5 web *\n"
DB = b"0 52:54:00:00:00:02 10.77.0.6 db 01:52:54:00:00:00:02\n"
GONE = b"1799999999 52:54:00:00:00:03 10.77.0.7 gone *\n"
DUID = b"duid 00:01:00:01:32:96:9f:81:2a:3f:b3:1d:3f:5b\n"
WEB6 = b"1800000100 3 fd00:1:2::1e68 web 00:01:00:01:32:96:9f:83:52:54:00:00:00:01\n"


@pytest.mark.parametrize("mode", ["nat", "isolated"])
def test_dnsmasq_accepts_the_file(tmp_path: Path, mode: Mode) -> None:
    try:
        dnsmasq = programs.find("dnsmasq", "dnsmasq-base")
    except UserError as error:
        pytest.skip(error.what)
    network = msgspec.structs.replace(LAB, mode=mode)
    conf = tmp_path / "dnsmasq.conf"
    resolvers = tmp_path / "resolv.conf"
    text = dnsmasq_conf.render(
        network, str(tmp_path / "leases"), str(tmp_path), str(resolvers), KEPT
    )
    conf.write_text(text)
    argv = [dnsmasq, "--test", f"--conf-file={conf}"]
    said = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode == 0, said.stderr


def test_only_an_isolated_network_has_no_way_out() -> None:
    isolated = msgspec.structs.replace(LAB, mode="isolated")
    nat, alone = (dnsmasq_conf.render(n, "l", "h", "r", ()).splitlines() for n in (LAB, isolated))
    ways_out = {"no-resolv", "dhcp-option=option:router", "ra-param=pv-lab,0,0"}
    assert set(alone) - set(nat) == ways_out
    assert set(nat) - set(alone) == {"resolv-file=r"}


@pytest.mark.parametrize(
    ("host", "kept"),
    [
        (b"", b""),
        (b"nameserver 192.0.2.1\n", b"nameserver 192.0.2.1\n"),
        (
            b"# nameserver 1\nsearch a.test\n\tnameserver\tfe80::1%eth0",
            b"\tnameserver\tfe80::1%eth0\n",
        ),
        (
            b"nameserver 192.0.2.1\r\nnameserver 192.0.2.2",
            b"nameserver 192.0.2.1\nnameserver 192.0.2.2\n",
        ),
        (b"nameservers 192.0.2.1\n;nameserver x\n\xff\0\n", b""),
    ],
)
def test_only_the_addresses_of_the_hosts_resolvers_are_kept(host: bytes, kept: bytes) -> None:
    assert dnsmasq_conf.nameservers(host) == kept


@pytest.mark.parametrize("subnet", ["10.77.0.0/29", "10.77.0.0/24", "10.77.0.0/16"])
def test_there_are_as_many_leases_as_addresses(subnet: str) -> None:
    network = msgspec.structs.replace(LAB, subnet=subnet)
    rendered = dnsmasq_conf.render(network, "l", "h", "r", ()).splitlines()
    lines = [line.partition("=") for line in rendered]
    addresses = 0
    for range_ in (value for key, _, value in lines if key == "dhcp-range"):
        first, last = map(ipaddress.ip_address, range_.split(",")[:2])
        addresses += int(last) - int(first) + 1
    (limit,) = (int(value) for key, _, value in lines if key == "dhcp-lease-max")
    assert addresses <= limit


@pytest.mark.parametrize(
    ("current", "settled", "merged"),
    [
        (b"", b"", b""),
        (WEB + DB, b"", WEB + DB),
        (b"", WEB + DB, WEB + DB),
        (WEB, WEB + DB, WEB + DB),
        (WEB + DB[:20], WEB + DB, WEB + DB),
        (DB[:-1], b"", b""),
        (b"", GONE + WEB, WEB),
        (WEB.replace(b"web", b"new"), WEB, WEB.replace(b"web", b"new")),
        (WEB + DUID + WEB6, DB, WEB + DB + DUID + WEB6),
        (WEB[:9], WEB + DUID + WEB6, WEB + DUID + WEB6),
        (b"\0\xff rubbish\n1 2 3\nx a b c d\n", WEB, WEB),
    ],
)
def test_a_broken_lease_file_gets_its_living_leases_back(
    current: bytes, settled: bytes, merged: bytes
) -> None:
    assert dnsmasq_conf.merge_leases(current, settled, NOW) == merged


@pytest.mark.parametrize(
    ("name", "kept", "left"),
    [
        (b"web", ("web",), b"*"),
        (b"WEB", ("web",), b"*"),
        (b"ip6-x", ("ip6-*",), b"*"),
        (b"web", ("webs", "we"), b"web"),
        (b"*", ("web", "ip6-*"), b"*"),
    ],
)
def test_a_lease_loses_a_name_that_has_been_defined_since(
    name: bytes, kept: tuple[str, ...], left: bytes
) -> None:
    for line in (WEB, WEB6):
        mine = line.replace(b" web ", b" " + name + b" ")
        merged = dnsmasq_conf.merge_leases(mine, mine, NOW, kept)
        assert merged == line.replace(b" web ", b" " + left + b" ")
