"""Each kind of error has a code that scripts rely on, as text and, with `-o json`, as JSON."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import get_args

import click
import pytest

from leasewatch import config
from leasewatch.api import client
from leasewatch.api.client import NoSuchNameError
from leasewatch.cli.leasewatch import command as leasewatch_command
from leasewatch.cli.leasewatch import main as leasewatch
from leasewatch.files import locks
from leasewatch.paths import Paths
from leasewatch.pyvirt.cli.pyvirt import command as pyvirt
from leasewatch.pyvirt.defined import domain as domain_definitions
from leasewatch.pyvirt.defined import store, subnets
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.domains.domains import Domains
from leasewatch.pyvirt.domains.plan import DomainRequest, plan
from leasewatch.pyvirt.files import started_network
from nss_pyvirt import programs, snapshot
from nss_pyvirt.codes import Code
from nss_pyvirt.errors import UserError
from nss_pyvirt.installer.cli import command as nss_pyvirt
from nss_pyvirt.terminal import commands, frame, with_click
from tests.leasewatch.holding import holding

MANUAL = Path(__file__).parents[1] / "packaging/man/pyvirt.1"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A root with a network `lab` and a domain `web1` on it."""
    made = Paths(tmp_path)
    for folder in (made.network_definitions, made.domain_definitions, made.service_run):
        folder.mkdir(parents=True)
    lab = Network(name="lab", subnet="10.77.0.0/24", subnet6="fd77::/64")
    store.write(made.network_definitions, lab)
    (tmp_path / "vmlinuz").write_bytes(b"\x7fELF")
    web1 = plan(made, request(made))
    store.write(made.domain_definitions, web1)
    return made


def request(paths: Paths, **changes: object) -> DomainRequest:
    wanted = {"name": "web1", "networks": ["lab"], "kernel": paths.root / "vmlinuz"}
    return DomainRequest(**(wanted | {"memory": 64, "cpus": 1} | changes))  # type: ignore[arg-type]


def hold_long(paths: Paths) -> None:
    lock = paths.root / "lock"
    with locks.shared(lock, 0), locks.exclusive(lock, 0):
        pass


def serve_twice(paths: Paths) -> None:
    with holding(paths.root / "lock"):
        locks.ProcessLock(paths.root / "lock").acquire()


def delete_running(paths: Paths) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Domains, "is_running", lambda *_: True)
        Domains(paths).delete("web1")


def broken_settings(_: Paths) -> None:
    raise config.read(b"nonsense", "leasewatch.toml")[1][0]


def damaged_table(paths: Paths) -> None:
    paths.snapshot.write_bytes(b"x" * 4096)
    snapshot.read(paths.snapshot)


# code: what fails with it
FAILURES: dict[str, list[Callable[[Paths], object]]] = {
    "exists": [
        lambda paths: plan(paths, request(paths)),
        lambda paths: plan(paths, request(paths, name="web2", aliases=["web1"])),
    ],
    "invalid": [
        lambda _: subnets.check4("10.0.0.0/8"),
        lambda _: domain_definitions.parse_mac("52:54"),
        broken_settings,
        lambda paths: plan(paths, request(paths, name="-x")),
        lambda paths: client.resolve(paths.varlink, os.fsdecode(b"web\xff")),
    ],
    "missing": [lambda _: programs.find("no-such-program", "no-such-package")],
    "needs-root": [lambda _: as_anybody(pyvirt, ["domain", "start", "web1"])],
    "not-found": [
        lambda paths: Domains(paths).get("web9"),
        lambda paths: plan(paths, request(paths, name="web2", networks=["lap"])),
        lambda paths: plan(paths, request(paths, name="web2", kernel=paths.root / "none")),
        lambda _: fail(NoSuchNameError("web9", [])),
    ],
    "not-running": [
        lambda paths: started_network(paths, "lab"),
        lambda paths: Domains(paths).console("web1", 0, 1, lambda: None),
    ],
    "running": [serve_twice, delete_running],
    "timeout": [hold_long],
    "unavailable": [lambda paths: client.list_entries(paths.varlink), damaged_table],
}


def fail(error: Exception) -> None:
    raise error


def as_anybody(top: commands.Group, argv: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 1000)
        called = commands.read(top, "pyvirt", argv)
        assert called is not None
        called(None)


@pytest.mark.parametrize(
    ("code", "act"), [(code, act) for code, acts in FAILURES.items() for act in acts]
)
def test_a_failure_has_the_code_of_its_kind(
    paths: Paths, code: str, act: Callable[[Paths], object]
) -> None:
    with pytest.raises(UserError) as caught:
        act(paths)
    assert caught.value.code == code


def test_the_manual_explains_every_code_and_no_other() -> None:
    text = MANUAL.read_text().partition(".SH ERRORS\n")[2].partition(".SH ")[0]
    explained = re.findall(r"^\.TP\n\.B (.*)$", text.replace(r"\-", "-"), re.MULTILINE)
    assert explained == sorted(get_args(Code))


def complaint(capsys: pytest.CaptureFixture[str]) -> dict[str, str | None]:
    """The one error on stderr, which must be one line of JSON."""
    (line,) = capsys.readouterr().err.splitlines()
    error = json.loads(line)["error"]
    assert set(error) == {"code", "message", "hint"}
    return dict(error)


@pytest.mark.parametrize("asked", [["-o", "json"], ["-ojson"], ["--output", "json"]])
def test_json_is_asked_for_in_each_way_that_click_takes(
    paths: Paths, capsys: pytest.CaptureFixture[str], asked: list[str]
) -> None:
    assert leasewatch(["sources", *asked], paths) == 1
    error = complaint(capsys)
    assert error["code"] == "unavailable"
    assert error["message"] == "the leasewatch service is not running"
    assert error["hint"]


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        (pyvirt, ["domain", "list", "-o", "json", "--nonsense"]),
        (pyvirt, ["domain", "list", "--nonsense", "--output=json"]),
        (pyvirt, ["domain", "show", "-o", "json"]),
        (pyvirt, ["domian", "-o", "json"]),
        (pyvirt, ["delete", "-o", "json"]),
        (nss_pyvirt, ["status", "-o", "json", "more"]),
        (nss_pyvirt, ["status", "-o", "json", "--root", "/no/such/folder"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_command_line_is_an_error_in_json_too(
    capsys: pytest.CaptureFixture[str], command: commands.Group, argv: Sequence[str]
) -> None:
    assert frame.run(command, "program", argv) == 2
    error = complaint(capsys)
    assert (error["code"], bool(error["hint"])) == ("usage", True)


@pytest.mark.parametrize(
    "argv", [["list", "-o", "table", "--no"], ["list", "-o", "json", "-o", "csv", "x"], ["list"]]
)
def test_without_json_an_error_is_text(
    paths: Paths, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    leasewatch(argv, paths)
    assert capsys.readouterr().err.startswith("leasewatch: ")


def test_a_warning_is_json_too_and_every_line_stays_one_object(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leasewatch(["resolve", "web9\n", "-o", "json"], paths) == 1
    warning, error = map(json.loads, capsys.readouterr().err.splitlines())
    assert warning["warning"]["code"] == error["error"]["code"] == "unavailable"
    assert "not running" in warning["warning"]["message"]


@pytest.mark.parametrize("output", ["table", "json"])
def test_the_exit_code_does_not_depend_on_the_output(paths: Paths, output: str) -> None:
    paths.snapshot.write_bytes(snapshot.encode([], generation=1, published=1))
    paths.snapshot.chmod(0o644)
    assert leasewatch(["resolve", "web9", "-o", output], paths) == 3


@commands.command()
def acting() -> int:
    frame.print_done("domain web1 is started", domain="web1")
    frame.print_note("pyvirt", "this takes\nlong")
    frame.print_warning("pyvirt", UserError("web2 is left", "pyvirt domain list", "running"))
    frame.print_hint("ssh web1")
    return 3


def test_a_command_that_prints_no_rows_tells_what_it_has_done_in_json_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert frame.run(acting, "pyvirt", ["-o", "json"]) == 3
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"domain": "web1", "done": "domain web1 is started"}
    assert [json.loads(line) for line in printed.err.splitlines()] == [
        {"note": "this takes\nlong"},
        {"warning": {"code": "running", "message": "web2 is left", "hint": "pyvirt domain list"}},
        {"hint": "ssh web1"},
    ]
    assert frame.run(acting, "pyvirt", []) == 3
    printed = capsys.readouterr()
    assert printed.out == "domain web1 is started\n"
    assert printed.err.splitlines() == [
        "pyvirt: this takes\\nlong",
        "pyvirt: web2 is left",
        "  hint: pyvirt domain list",
        "  hint: ssh web1",
    ]


def leaves(command: click.Command) -> Iterator[click.Command]:
    if not isinstance(command, click.Group):
        yield command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from leaves(command.get_command(context, name) or command)


@pytest.mark.parametrize("group", [leasewatch_command, pyvirt, nss_pyvirt])
def test_every_command_takes_json(group: commands.Group) -> None:
    for leaf in leaves(with_click.built(group)):
        (kind,) = [p.type for p in leaf.params if p.name == "output"]
        assert isinstance(kind, click.Choice)
        assert {"json", "jsonl"} & {*kind.choices}, leaf.name


def test_ip_prints_addresses_as_json(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    address = snapshot.Address(socket.AF_INET, bytes([10, 0, 0, 1]), 1 << 40)
    hosts = [snapshot.Host(("web1",), (address,))]
    paths.snapshot.write_bytes(snapshot.encode(hosts, generation=1, published=1))
    paths.snapshot.chmod(0o644)
    assert leasewatch(["ip", "web1", "-o", "json"], paths) == 0
    assert json.loads(capsys.readouterr().out) == ["10.0.0.1"]
