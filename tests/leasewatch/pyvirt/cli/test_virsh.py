"""virsh's words for users of virsh: its layout, its exit codes, and nothing of it in our help."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from leasewatch.daemon import alive
from leasewatch.model import DomainState
from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import virsh
from leasewatch.pyvirt.cli.pyvirt import command
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.files import DomainFiles, NetworkFiles
from nss_pyvirt.terminal import frame

MAC = "52:54:00:00:00:01"
LEASES = f"""\
4102444800 {MAC} 10.77.0.9 web1 01:{MAC}
1000000000 52:54:00:00:00:02 10.77.0.8 gone *
duid 00:01:00:01
4102444800 11 fd00:1:2::9 web1 00:02:00
"""


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A root with a network `lab`, where the commands look."""
    made = Paths(tmp_path)
    monkeypatch.setattr(virsh, "Paths", lambda: made)
    monkeypatch.setenv("TZ", "UTC")
    store.write(
        made.network_definitions,
        Network(name="lab", subnet="10.77.0.0/24", subnet6="fd00:1:2::/64"),
    )
    return made


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = frame.run(command, "pyvirt", words)
    return (code, *capsys.readouterr())


@pytest.mark.parametrize("mac", [[MAC.upper()], ["--mac", MAC], []])
def test_leases_are_drawn_as_virsh_draws_them(
    paths: Paths, capsys: pytest.CaptureFixture[str], mac: list[str]
) -> None:
    file = NetworkFiles(paths, "lab").leases
    file.parent.mkdir(parents=True)
    file.write_text(LEASES)
    code, out, err = run(capsys, "net-dhcp-leases", "lab", *mac)
    heading, rule, first, *rest = out.splitlines()
    assert (code, err) == (0, "")
    columns = ["Expiry Time", "MAC address", "Protocol", "IP address", "Hostname"]
    assert re.split("  +", heading.strip()) == [*columns, "Client ID or DUID"]
    assert {*rule} == {"-"}
    lease = f"2100-01-01 00:00:00   {MAC}   ipv4   10.77.0.9/24   web1   01:{MAC}"
    assert first.split() == lease.split()
    assert first.index(MAC) == heading.index("MAC address")
    others = [line.split()[3:5] for line in rest if line]
    assert others == ([] if mac else [["ipv6", "fd00:1:2::9/64"]])


def test_a_network_that_never_ran_has_no_leases(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    assert paths
    code, out, _ = run(capsys, "network", "net-dhcp-leases", "lab")
    assert (code, len(out.splitlines())) == (0, 3)
    assert run(capsys, "net-dhcp-leases", "lab", "-o", "json")[1].count('"leases": []') == 1


def test_the_leases_of_a_bridged_network_are_elsewhere(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    store.write(paths.network_definitions, Network(name="office", mode="bridged", bridge="br0"))
    code, _, err = run(capsys, "net-dhcp-leases", "office")
    assert (code, err.splitlines()[-1]) == (1, "  hint: leasewatch list --network office")


ROW: dict[str, Any] = {
    "qemu": 7,
    "state": "paused",
    "cpu_time": 1.5,
    "memory": 96 << 20,
    "rss": 1 << 20,
    "vcpus": [0.5, 0.25],
    "cards": [
        {
            "network": "lab",
            "received": 1,
            "sent": 2,
            "packets_received": 3,
            "packets_sent": 4,
        }
    ],
    "disks": [],
}


def test_statistics_have_virshs_keys_and_units() -> None:
    found = virsh._fields(ROW, ("state", "cpu_total", "balloon", "vcpu", "interface", "block"))
    assert found == {
        "state.state": 3,
        "cpu.time": 1_500_000_000,
        "balloon.current": 96 << 10,
        "balloon.rss": 1 << 10,
        "vcpu.current": 2,
        "vcpu.maximum": 2,
        "vcpu.0.time": 500_000_000,
        "vcpu.1.time": 250_000_000,
        "net.count": 1,
        "net.0.name": "lab",
        "net.0.rx.bytes": 1,
        "net.0.rx.pkts": 3,
        "net.0.tx.bytes": 2,
        "net.0.tx.pkts": 4,
        "block.count": 0,
    }
    assert virsh._fields({"state": "stopped"}, ("state", "vcpu")) == {"state.state": 5}


def runs(paths: Paths, name: str) -> None:
    """Let this process be the parent of a domain, as a plain user sees it."""
    files = DomainFiles(paths, name)
    pid = os.getpid()
    state = DomainState(
        name=name, nics=(), pid=pid, born=alive.born(pid), started=1, pending_until=0
    )
    files.state.parent.mkdir(parents=True, exist_ok=True)
    files.state.write_bytes(msgspec.json.encode(state))


AWAITED = {
    "it runs on": (["--condition", "domain-inactive", "--timeout", "0"], 2, "still runs"),
    "no condition": ([], 1, "--condition is missing"),
    "an unknown one": (["--condition", "domain-active"], 1, 'no condition "domain-active"'),
    "no agent": (["--condition", "guest-agent-available"], 1, "no channel for an agent"),
}


@pytest.mark.parametrize(("words", "code", "what"), AWAITED.values(), ids=AWAITED)
def test_awaiting_has_virshs_exit_codes(
    paths: Paths,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
    what: str,
) -> None:
    runs(paths, "web1")
    known = "leasewatch.pyvirt.domains.known.KnownDomains"
    monkeypatch.setattr(f"{known}.is_running", lambda *_: True)
    done, out, err = run(capsys, "await", "web1", *words)
    assert (done, out, what in err) == (code, "", True)
    assert err.splitlines()[1].startswith("  hint: ")


@pytest.mark.parametrize("word", ["domstats", "perf", "await", "net-dhcp-leases"])
def test_help_lists_none_of_virshs_words_but_a_typo_finds_them(
    capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert word not in run(capsys, "--help")[1].split()
    assert run(capsys, word, "--help")[0] == 0
    code, _, err = run(capsys, word[:-2] + word[-1])
    assert (code, word in err.splitlines()[-1]) == (2, True)
