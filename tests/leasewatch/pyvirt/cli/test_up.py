"""`pyvirt up` and `pyvirt down`: what they start and stop, and what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt import boot
from leasewatch.pyvirt.cli import at_once, halves, waiting
from leasewatch.pyvirt.cli import domain as domain_cli
from leasewatch.pyvirt.cli import network as network_cli
from leasewatch.pyvirt.cli import up as cli
from leasewatch.pyvirt.cli.pyvirt import command
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.defined.network import Network
from nss_pyvirt import __version__
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import frame


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """An empty host whose root calls."""
    made = Paths(root=tmp_path)
    for module in (cli, domain_cli, network_cli):
        monkeypatch.setattr(module, "Paths", lambda: made)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return made


def network(paths: Paths, name: str, *, autostart: bool = False) -> None:
    made = Network(name=name, subnet="10.77.0.0/24", subnet6="fd00:1:2::/64", autostart=autostart)
    store.write(paths.network_definitions, made)


def domain(paths: Paths, name: str, on: str, *, autostart: bool = True) -> None:
    nic = NicDefinition(network=on, mac="52:54:00:00:00:01")
    made = DomainDefinition(
        name=name, nics=(nic,), memory=64, cpus=1, kernel="/k", autostart=autostart
    )
    store.write(paths.domain_definitions, made)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that are run at once; those of `bad` fail."""
    lines: list[str] = []

    def run(several: list[list[str]], _width: int | None = None) -> list[int]:
        found = [" ".join(words) for words in several]
        lines.extend(found)
        return [int("bad" in line) for line in found]

    monkeypatch.setattr(at_once, "run", run)
    return lines


def test_up_starts_networks_then_domains_and_the_networks_that_these_need(
    paths: Paths, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    network(paths, "lab")
    network(paths, "alone", autostart=True)
    network(paths, "unwanted")
    for name in ("web10", "web2"):
        domain(paths, name, "lab")
    domain(paths, "by-hand", "unwanted", autostart=False)
    assert frame.run(command, "pyvirt", ["up"]) == 0
    assert typed == [
        *("network start alone", "network start lab"),
        *("domain start web2", "domain start web10"),
    ]
    assert capsys.readouterr().out == "2 networks and 2 domains are up\n"


def test_what_needs_a_bridge_of_the_host_that_is_not_there_yet_is_started_last(
    paths: Paths,
    typed: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network(paths, "lab")
    for name, bridge in (("office", "br-none"), ("here", "lo")):
        store.write(paths.network_definitions, Network(name=name, mode="bridged", bridge=bridge))
    for name, on in (("web1", "office"), ("web2", "lab"), ("web3", "here")):
        domain(paths, name, on)
    looks = []

    def appears(bridge: str) -> bool:
        looks.append(len(typed))
        return bridge == "lo" or len(looks) > 4

    monkeypatch.setattr(boot, "is_there", appears)
    assert frame.run(command, "pyvirt", ["up"]) == 0
    assert typed == [
        *("network start here", "network start lab", "domain start web2", "domain start web3"),
        *("network start office", "domain start web1"),
    ]
    assert looks == [0, 0, 4, 4, 4]
    out, err = capsys.readouterr()
    assert err == "pyvirt: waiting up to 30 s for bridge br-none of this host\n"
    assert out == "3 networks and 3 domains are up\n"


@pytest.mark.parametrize(
    ("words", "commands", "code"),
    [
        ("domain start web2 web10 web2", "domain start web2, domain start web10", 0),
        ("domain start --all", "domain start bad1, domain start web2, domain start web10", 1),
        ("domain start -- -x web2", "domain start -- -x, domain start web2", 0),
        ("network start --all", "network start lab, network start office", 0),
        ("network stop office lab", "network stop office, network stop lab", 0),
    ],
)
def test_several_are_started_and_stopped_at_once(
    paths: Paths, typed: list[str], words: str, commands: str, code: int
) -> None:
    for name in ("office", "lab"):
        network(paths, name)
    for name in ("web10", "web2", "bad1"):
        domain(paths, name, "lab")
    assert frame.run(command, "pyvirt", words.split()) == code
    assert typed == commands.split(", ")


def test_those_that_have_started_are_waited_for_by_the_same_deadline(
    paths: Paths,
    typed: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begins = set()

    def wait(name: str, goal: str, seconds: float, _line: object, begun: float) -> str:
        begins.add(begun)
        if name == "web3":
            raise UserError(f"no address of {name} within {seconds:g} s", code="timeout")
        return f"10.0.0.{goal}"

    monkeypatch.setattr(waiting, "wait", wait)
    for name in ("web1", "bad1", "web3", "web2"):
        domain(paths, name, "lab")
    words = ["domain", "start", "--wait=address", "--timeout=9", "web1", "bad1", "web3", "web2"]
    assert frame.run(command, "pyvirt", words) == 1
    assert len(typed) == 4
    assert len(begins) == 1
    out, err = capsys.readouterr()
    assert out == "".join(f"domain web{n} answers at 10.0.0.address\n" for n in (1, 2))
    assert err == "pyvirt: no address of web3 within 9 s\n"


def test_one_failure_hides_no_other_and_is_named_at_the_end(
    paths: Paths, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    network(paths, "lab")
    for name in ("bad1", "web1", "bad2"):
        domain(paths, name, "lab")
    (paths.domain_definitions / "broken.toml").write_text("name = 1\n")
    assert frame.run(command, "pyvirt", ["up"]) == 1
    assert len(typed) == 4
    broken, *_, last = capsys.readouterr().err.splitlines()
    assert "broken.toml" in broken
    assert last == "pyvirt: 3 of 5 did not start: bad1, bad2"


def test_up_without_anything_to_start_says_how_to_have_it(
    paths: Paths, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    network(paths, "lab")
    domain(paths, "web1", "lab", autostart=False)
    assert frame.run(command, "pyvirt", ["up"]) == 0
    said = "pyvirt: nothing starts at boot\n  hint: sudo pyvirt domain autostart NAME on\n"
    assert capsys.readouterr().err == said
    assert not typed


def test_down_stops_all_domains_before_all_networks(
    typed: list[str],
    paths: Paths,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopped(names: list[str], timeout: int, *, force: bool) -> list[str]:
        typed.append(f"stop {' '.join(names)}, {timeout}, {'forced' if force else ''}")
        return []

    running = boot.Names(["lab"], ["web1", "web2"])
    monkeypatch.setattr("leasewatch.pyvirt.cli.domain_states.stopped", stopped)
    monkeypatch.setattr(boot, "started", lambda _: running)
    assert frame.run(command, "pyvirt", ["down", "--timeout", "5"]) == 0
    assert typed == ["stop web1 web2, 5, forced", "network stop lab"]
    assert capsys.readouterr().out == "1 network and 2 domains are stopped\n"


def test_down_on_an_idle_host_says_so(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.run(command, "pyvirt", ["down"]) == 0
    assert capsys.readouterr().out == "nothing is started\n"


WORDS = [["domain", "show", f"../{n}"] for n in range(20)]


@pytest.mark.parametrize("width", [None, 3])
def test_commands_at_once_print_each_as_a_whole_and_pass_their_codes_on(
    capfd: pytest.CaptureFixture[str], width: int | None
) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert at_once.run([*WORDS, ["frobnicate"], ["--version"]], width) == [*[1] * 20, 2, 0]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    said = capfd.readouterr()
    lines = said.err.splitlines()
    refused = {f'pyvirt: "../{n}" is no domain\'s name' for n in range(20)}
    assert refused <= set(lines)
    at = lines.index("pyvirt: there is no command pyvirt frobnicate")
    assert lines[at + 1] == "  hint: pyvirt --help"
    assert __version__ in said.out


@pytest.mark.parametrize("kind", ["network", "domain"])
@pytest.mark.parametrize("name", ["../x", "nosuch"])
def test_a_parent_of_nothing_that_is_defined_leaves_no_log(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    monkeypatch.setattr(halves, "Paths", lambda: paths)
    assert frame.run(command, "pyvirt", [kind, "run", name]) == 1
    assert not list(Path(paths.top).iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["up", "web1"], ["unexpected argument (web1)", "pyvirt up --help"]),
        (["down", "--timeout", "-5"], ['--timeout: "-5" is not a time', "pyvirt down --help"]),
        (["down", "--force"], ["there is no option --force", "pyvirt down --help"]),
    ],
)
def test_wrong_usage_is_one_line_with_a_hint(
    capsys: pytest.CaptureFixture[str], words: list[str], said: list[str]
) -> None:
    assert frame.run(command, "pyvirt", words) == 2
    what, hint = said
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"pyvirt: {what}")
    assert second == f"  hint: {hint}"
