"""`pyvirt network|domain autostart`: what it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import autostart as cli
from leasewatch.pyvirt.cli.pyvirt import command
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.defined.network import Network
from nss_pyvirt.terminal import frame

LAB = Network(name="lab", subnet="10.77.0.0/24", subnet6="fd00:1:2::/64")
NIC = NicDefinition(network="lab", mac="52:54:00:00:00:01")
WEB = DomainDefinition(name="web1", nics=(NIC,), memory=64, cpus=1, kernel="/k")


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A host with the networks `lab` and `on` and the domain `web1`, and a caller who is root."""
    made = Paths(root=tmp_path)
    monkeypatch.setattr(cli, "Paths", lambda: made)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    for name in ("lab", "on"):
        store.write(
            made.network_definitions, Network(name=name, subnet=LAB.subnet, subnet6=LAB.subnet6)
        )
    store.write(made.domain_definitions, WEB)
    return made


def autostarts(paths: Paths) -> list[str]:
    networks = store.readable(paths.network_definitions, Network)
    domains = store.readable(paths.domain_definitions, DomainDefinition)
    found: list[Network | DomainDefinition] = [*networks, *domains]
    return [each.name for each in found if each.autostart]


@pytest.mark.parametrize(
    ("words", "then"),
    [
        (["network", "autostart", "lab", "on"], ["lab"]),
        (["network", "autostart", "lab"], ["lab"]),  # as virsh has it
        (["network", "autostart", "lab", "on", "on"], ["lab", "on"]),
        (["network", "autostart", "on", "off"], []),
        (["domain", "autostart", "web1"], ["web1"]),
    ],
    ids=" ".join,
)
def test_what_starts_at_boot_is_switched(paths: Paths, words: list[str], then: list[str]) -> None:
    assert frame.run(command, "pyvirt", words) == 0
    assert autostarts(paths) == then
    names = [name for name in words[2:] if name in then]
    assert frame.run(command, "pyvirt", [*words[:2], *names, "off"] if names else words) == 0
    assert autostarts(paths) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["domain", "autostart"],
            ["NAME... [on|off] is missing", "pyvirt domain autostart --help"],
        ),
        (
            ["domain", "autostart", "off"],
            ["NAME... is missing", "sudo pyvirt domain autostart web1 off"],
        ),
        (
            ["domain", "autostart", "web2", "on"],
            ['there is no domain "web2"', "did you mean web1?"],
        ),
        (
            ["domain", "autostart", "web1", "yes"],
            ['there is no domain "yes"', "pyvirt domain list"],
        ),
        (
            ["network", "autostart", "../x", "on"],
            ['"../x" is no network\'s name', "pyvirt network list"],
        ),
    ],
)
def test_what_cannot_be_switched_is_one_line_with_a_hint(
    paths: Paths, capsys: pytest.CaptureFixture[str], words: list[str], said: list[str]
) -> None:
    assert frame.run(command, "pyvirt", words) in {1, 2}
    what, hint = said
    assert capsys.readouterr().err == f"pyvirt: {what}\n" + (hint and f"  hint: {hint}\n")


def test_a_broken_definition_stays_as_it_is(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    file = paths.domain_definitions / "web1.toml"
    file.write_text('name = "web1"\nmemory = 1\n')
    assert frame.run(command, "pyvirt", ["domain", "autostart", "web1", "on"]) == 1
    assert str(file) in capsys.readouterr().err
    assert file.read_text() == 'name = "web1"\nmemory = 1\n'
