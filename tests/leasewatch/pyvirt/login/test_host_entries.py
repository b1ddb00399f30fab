"""The lines of ssh_known_hosts, and that OpenSSH finds in them what it looks for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from leasewatch.model import NetworkState
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.login import host_entries

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEy+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa root"
DOMAIN = DomainDefinition(
    name="web1",
    aliases=("www",),
    nics=(NicDefinition(network="lab", mac="52:54:00:00:00:01", address="10.99.0.9"),),
    memory=128,
    cpus=1,
)


def _lab(*subnets: str) -> NetworkState:
    return NetworkState(
        name="lab",
        bridge="pv-lab",
        suffix="internal",
        lease_file="",
        subnets=subnets,
        pid=1,
        started=0,
    )


def _knows(line: str, folder: Path, host: str) -> bool:
    """Whether ssh would take the key for a host of that name or address."""
    file = folder / "known_hosts"
    file.write_text(host_entries.HEAD + line)
    asked = ["ssh-keygen", "-F", host, "-f", str(file)]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def _line(*subnets: str, is_filtered: bool = True) -> str:
    return host_entries.line(DOMAIN, [_lab(*subnets)], PUBLIC, is_filtered=is_filtered)


@pytest.mark.parametrize(
    ("subnet", "inside", "outside"),
    [
        ("10.77.0.0/24", ["10.77.0.2", "10.77.0.254"], ["10.77.0.1", "10.77.1.2", "210.77.0.2"]),
        ("10.8.0.0/16", ["10.8.0.2", "10.8.255.254"], ["10.8.0.1", "10.80.0.2"]),
        ("10.8.16.0/20", ["10.8.16.2", "10.8.31.254"], ["10.8.16.1", "10.8.32.2", "10.8.15.9"]),
        ("10.8.0.8/29", ["10.8.0.10", "10.8.0.14"], ["10.8.0.9", "10.8.0.16", "10.8.0.7"]),
        (
            "fd75:946c:3e58::/64",
            ["fd75:946c:3e58:0:5054:ff:fee0:16", "fd75:946c:3e58::1a3"],
            ["fd75:946c:3e58::1", "fd75:946c:3e58:1::5", "fd75:946c:3e59::1a3"],
        ),
        (
            "fd00:1:2:3::/64",
            ["fd00:1:2:3:5054:ff:fee0:16", "fd00:1:2:3::1a3", "fd00:1:2:3:1::2"],
            ["fd00:1:2:3::1", "fd00:1:2:33::5"],
        ),
    ],
)
def test_a_guest_is_known_at_each_address_of_its_network_but_the_hosts(
    tmp_path: Path, subnet: str, inside: list[str], outside: list[str]
) -> None:
    line = _line(subnet)
    assert [one for one in inside if not _knows(line, tmp_path, one)] == []
    assert [one for one in outside if _knows(line, tmp_path, one)] == []


def test_a_guest_is_known_by_each_of_its_names(tmp_path: Path) -> None:
    for host in ("web1", "www", "web1.lab.internal", "10.99.0.9"):
        assert _knows(_line(), tmp_path, host)
    assert not _knows(_line(), tmp_path, "web10")


def test_a_guest_that_may_take_any_address_is_known_at_its_fixed_one_alone(tmp_path: Path) -> None:
    line = _line("10.77.0.0/24", is_filtered=False)
    assert _knows(line, tmp_path, "10.99.0.9")
    assert not _knows(line, tmp_path, "10.77.0.5")


def test_each_domain_has_one_line() -> None:
    one, two = "a ssh-ed25519 A domain:a\n", "a.b ssh-ed25519 B domain:a.b\n"
    text = host_entries.replaced(host_entries.replaced("", "a", one), "a.b", two)
    assert text == host_entries.HEAD + one + two
    assert host_entries.replaced(text, "a", one) == host_entries.HEAD + two + one
    assert host_entries.replaced(text, "b", "") == text
    assert host_entries.replaced(text, "a", "") == host_entries.HEAD + two
