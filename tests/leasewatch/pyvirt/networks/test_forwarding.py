"""Which names of other networks a network's dnsmasq forwards, and where to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.networks.forwarding import Forwarding, forwarded

LAB = Network(name="lab", subnet="10.77.0.0/24", subnet6="fd00:77::/64")
DMZ = Network(name="dmz", subnet="10.78.0.64/26", subnet6="fd00:78::/64", suffix="example.test")
LAN = Network(name="lan", mode="bridged", bridge="br0")
TO = "127.0.0.1#5300@10.77.0.1"
OF_DMZ = [
    f"server=/dmz.example.test/{TO}",
    f"rev-server=10.78.0.64/26,{TO}",
    f"rev-server=fd00:78::/64,{TO}",
]
OF_LAN = [f"server=/lan.internal/{TO}"]


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (["dmz"], OF_DMZ),
        (["*"], [*OF_DMZ, *OF_LAN]),
        (["lan", "none"], OF_LAN),
        ([], []),
    ],
)
def test_what_is_allowed_is_forwarded(allowed: Sequence[str], expected: list[str]) -> None:
    assert list(forwarded(LAB, ["127.0.0.1:5300"], allowed, [DMZ, LAN])) == expected


@pytest.mark.parametrize(
    ("listen", "server"),
    [
        (["10.99.0.2", "127.0.0.1:5300"], TO),
        (["10.99.0.2"], "10.99.0.2#53@10.77.0.1"),
        (["0.0.0.0:5300"], TO),
        (["[::]:5300"], "::1#5300@fd00:77::1"),
        (["nonsense", "[fd00::1]:53"], "fd00::1#53@fd00:77::1"),
        (["nonsense"], None),
    ],
)
def test_dnsmasq_asks_an_endpoint_on_this_host_from_its_bridge(
    listen: list[str], server: str | None
) -> None:
    lines = list(forwarded(LAB, listen, ["lan"], [LAN]))
    assert lines == ([] if server is None else [f"server=/lan.internal/{server}"])


def test_the_settings_are_followed(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.network_definitions.mkdir(parents=True)
    (paths.network_definitions / "lan.toml").write_text(
        'name = "lan"\nmode = "bridged"\nbridge = "br0"\n'
    )
    forwarding = Forwarding(paths)
    found = [forwarding.lines(LAB)]
    for text in (
        '[dns]\nlisten = ["127.0.0.1:5300"]\nguests.lab = ["lan"]\n',
        "[dns\n",
        '[dns]\nguests.lab = ["lan"]\n',
        '[names]\nsuffix = "internal"\n',
        '[dns]\nlisten = ["127.0.0.1:5300"]\nguests.lab = "lan"\n',
    ):
        paths.config.write_text(text)
        found.append(forwarding.lines(LAB))
    assert found == [[], OF_LAN, OF_LAN, [], [], []]
    paths.config.write_text('[dns]\nlisten = ["127.0.0.1:5300"]\nguests.lab = ["*"]\n')
    assert forwarding.lines(LAB) == OF_LAN
    paths.config.unlink()
    assert forwarding.lines(LAB) == []
