"""`leasewatch export`: the programs that read the files find in them what is published."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from leasewatch.cli import export_formats
from leasewatch.cli.export_formats import Host
from leasewatch.paths import Paths
from nss_pyvirt import snapshot
from tests.leasewatch.cli.asking import HOSTS, NOW, publish, run, v4

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ9l6tPdHZb2cQvBZv3xRmM3d9V6JrDj1fZ4yqZkq0Ab"
MORE = [
    snapshot.Host(("yes", "0x10.example"), (v4("10.77.0.20"),)),
    snapshot.Host(("gone",), (v4("10.77.0.21", NOW - 5),)),
    snapshot.Host(("-rf",), (v4("10.77.0.22"),)),
]


@pytest.fixture
def host(paths: Paths) -> Paths:
    """A host that also publishes strange names, and has the host key of domain web1."""
    publish(paths, [*HOSTS, *MORE])
    paths.ssh_known_hosts.parent.mkdir(parents=True, exist_ok=True)
    line = f"web1,web1.lab.internal,10.77.0.*,!10.77.0.1 {KEY} domain:web1\n"
    paths.ssh_known_hosts.write_text(f"# Made by pyvirt\n@revoked web1 {KEY}\n{line}")
    return paths


def exported(
    paths: Paths, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, list[str]]:
    """The exit code, the file, and what is said beside that the service does not run."""
    code, out, err = run(paths, capsys, "export", *words)
    return code, out, err.splitlines()[2:]


def asked(*argv: str | Path) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, (argv, done.stdout, done.stderr)
    return done.stdout


def test_ssh_reads_its_configuration(
    host: Paths, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "config"
    file.write_text(exported(host, capsys, "ssh-config")[1])
    for name, address, alias in (
        ("web1", "10.77.0.5", "web1"),
        ("web1.lab.internal", "10.77.0.5", "web1"),
        ("yes", "10.77.0.20", "yes"),
        ("0x10.example", "10.77.0.20", "yes"),
    ):
        settings = asked("ssh", "-G", "-F", file, name).splitlines()
        assert f"hostname {address}" in settings
        assert f"hostkeyalias {alias}" in settings


def test_ssh_finds_the_host_keys_of_a_domain(
    host: Paths, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(exported(host, capsys, "known-hosts")[1])
    assert len(file.read_text().splitlines()) == 1
    for name in ("web1", "web1.lab.internal", "10.77.0.5", "fd12::5"):
        assert KEY in asked("ssh-keygen", "-F", name, "-f", file)
    done = subprocess.run(["ssh-keygen", "-F", "10.77.0.6", "-f", file], check=False)
    assert done.returncode == 1


def test_hosts_has_a_line_for_each_address_that_means_something_elsewhere(
    host: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, said = exported(host, capsys, "hosts")
    assert code == 0
    assert out.splitlines() == [
        "10.77.0.6\tguest1 guest1.lab.internal",
        "10.88.0.9\torphan",
        "10.77.0.5\tweb1 web1.lab.internal",
        "fd12::5\tweb1 web1.lab.internal",
        "10.77.0.20\tyes 0x10.example",
    ]
    assert said == ["leasewatch: -rf is omitted: the name -rf could mean something else in a file"]


def test_ansible_gets_a_group_for_each_network(
    host: Paths, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = exported(host, capsys, "ansible")[1]
    assert inventory(out) == {
        "network_lab": {"guest1": "10.77.0.6", "web1": "10.77.0.5"},
        "no_network": {"orphan": "10.88.0.9", "yes": "10.77.0.20"},
    }
    if program := shutil.which("ansible-inventory"):
        (tmp_path / "inventory.yaml").write_text(out)
        read = json.loads(asked(program, "-i", tmp_path / "inventory.yaml", "--list"))
        assert read["_meta"]["hostvars"]["yes"] == {"ansible_host": "10.77.0.20"}


def inventory(text: str) -> dict[str, dict[str, str]]:
    """The groups of an inventory; it has no line but those that are looked for."""
    first, *lines = text.splitlines()
    assert (first, lines.pop(0)) == ("all:", "  children:")
    groups: dict[str, dict[str, str]] = {}
    group: dict[str, str] = {}
    while lines:
        if found := re.fullmatch(r"    (\w+):", lines[0]):
            assert lines[1] == "      hosts:"
            group = groups[found[1]] = {}
            del lines[:2]
        name = re.fullmatch(r'        ("[^"\\]+"):', lines.pop(0))
        address = re.fullmatch(r'          ansible_host: ("[0-9a-f.:]+")', lines.pop(0))
        assert name
        assert address
        group[json.loads(name[1])] = json.loads(address[1])
    return groups


def test_prometheus_gets_targets_with_labels(
    host: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    out = exported(host, capsys, "prometheus", "--port", "9200", "WEB1", "orphan")[1]
    assert json.loads(out) == [
        {"targets": ["10.88.0.9:9200"], "labels": {"instance": "orphan"}},
        {"targets": ["10.77.0.5:9200"], "labels": {"instance": "web1", "network": "lab"}},
    ]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["web1.lab.internal."], ["web1"]),
        (["--network", "lab"], ["guest1", "web1"]),
        (["guest1", "orphan", "--network", "lab"], ["guest1"]),
    ],
)
def test_some_hosts_may_be_asked_for(
    host: Paths, capsys: pytest.CaptureFixture[str], words: list[str], names: list[str]
) -> None:
    code, out, said = exported(host, capsys, "prometheus", *words)
    assert (code, said) == (0, [])
    assert [one["labels"]["instance"] for one in json.loads(out)] == names


# what is typed, exit code, what is said
WRONG = {
    "no format": (
        [],
        2,
        "FORMAT is missing: ssh-config, known-hosts, hosts, ansible, prometheus\n",
    ),
    "an unknown format": (["csv"], 2, "'csv' is not one of"),
    "a host that is not published": (["hosts", "wpad"], 3, "no published host matches"),
    "a host that has no address yet": (["hosts", "slow"], 3, "no published host matches"),
    "a network without hosts": (["hosts", "--network", "lan"], 3, "no published host matches"),
    "a port that is none": (["prometheus", "--port", "0"], 2, '"0" is not a whole number'),
}


@pytest.mark.parametrize(("words", "code", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_exported_is_one_clear_line(
    host: Paths, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    got, out, err = run(host, capsys, "export", *words)
    assert (got, out) == (code, "")
    assert said in err


def test_without_a_table_nothing_is_exported(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.snapshot.unlink()
    code, out, err = run(paths, capsys, "export", "hosts")
    assert (code, out) == (1, "")
    assert "no names are published" in err


@pytest.mark.parametrize("form", [*export_formats.FORMATS, "prometheus"])
def test_nothing_published_is_an_empty_file_that_programs_accept(
    paths: Paths, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    publish(paths, [])
    empty = {"ansible": "all: {}\n", "prometheus": "[]\n"}
    assert exported(paths, capsys, form)[:2] == (0, empty.get(form, ""))


@pytest.mark.parametrize(
    "name",
    ["a b", "a\nHost *", "a*", "!a", "a,b", "#a", "a:b", "-a", '"', "%h", "a\t", "ä", "", "$(a)"],
)
def test_a_name_that_could_mean_more_goes_into_no_file(name: str) -> None:
    fine = Host(("web1",), ("10.0.0.1",), "lab")
    assert export_formats.omitted(fine) is None
    assert export_formats.omitted(fine._replace(names=(name,)))
    assert export_formats.omitted(fine._replace(names=("web1", name)))


def test_a_network_with_any_name_is_a_group_and_a_label() -> None:
    odd = [Host(("web1",), ("10.0.0.1",), 'br-0"\n: [')]
    assert inventory(export_formats.ansible(odd)) == {"network_br_0_____": {"web1": "10.0.0.1"}}
    labels = json.loads(export_formats.prometheus(odd, 1))[0]["labels"]
    assert labels == {"instance": "web1", "network": 'br-0"\n: ['}
