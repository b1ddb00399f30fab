"""What `pyvirt` says to words that it cannot take, before anything is looked at."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

import leasewatch
from leasewatch.pyvirt.cli import domain, domain_create, network, values
from leasewatch.pyvirt.cli.pyvirt import command
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame, with_click

CREATE = ["domain", "create", "web1", "--network", "lab"]
HELP = "pyvirt domain create --help"
WRONG = {
    "no command at all": (
        ["frobnicate"],
        ["there is no command pyvirt frobnicate", "pyvirt --help"],
    ),
    "help": (["help"], ["there is no command pyvirt help", "did you mean: pyvirt --help"]),
    "destroy": (
        ["domain", "destroy", "web1"],
        [
            "there is no command pyvirt domain destroy",
            "did you mean: sudo pyvirt domain stop --force web1",
        ],
    ),
    "a network's destroy": (
        ["network", "destroy", "lab"],
        [
            "there is no command pyvirt network destroy",
            "did you mean: sudo pyvirt network stop lab",
        ],
    ),
    "rm, of a domain or a network": (
        ["rm", "web1"],
        ["there is no command pyvirt rm", "did you mean: sudo pyvirt domain delete web1"],
    ),
    "delete, of a domain or a network": (
        ["delete", "web1"],
        ["there is no command pyvirt delete", "did you mean: sudo pyvirt domain delete web1"],
    ),
    "nearly a command": (
        ["domain", "strat", "web1"],
        ["there is no command pyvirt domain strat", "did you mean: sudo pyvirt domain start web1"],
    ),
    "an option twice": (
        [*CREATE, "--size", "1G", "--size", "2G"],
        ["--size is given more than once", HELP],
    ),
    "an option twice, the same": (
        [*CREATE, "--memory", "1024", "--memory=1024"],
        ["--memory is given more than once", HELP],
    ),
    "both of a choice": (
        [*CREATE, "--mac-filtering", "--no-mac-filtering"],
        ["--mac-filtering is given more than once", HELP],
    ),
    "no size of memory": (
        [*CREATE, "--memory", "2X"],
        ['--memory: "2X" is not a size like 2048 (MiB), 512M or 2G', HELP],
    ),
    "too little memory": (
        [*CREATE, "--memory", "8"],
        ['--memory: "8" is not from 32 to 4194304 MiB', HELP],
    ),
    "no size of a disk": (
        [*CREATE, "--size", "big"],
        ['--size: "big" is not a size like 20G or 512M', HELP],
    ),
    "a number that is none": (
        [*CREATE, "--cpus", "many"],
        ['--cpus: "many" is not a whole number from 1 to 255', HELP],
    ),
    "a URL": (
        [*CREATE, "--disk", "https://x/y.qcow2"],
        ["--disk: https://x/y.qcow2 is a URL: use pyvirt image add, then --image", HELP],
    ),
    "a choice that there is not": (
        [*CREATE, "--accel", "xen"],
        ["--accel: 'xen' is not one of 'auto', 'kvm', 'tcg'", HELP],
    ),
    "no such option": ([*CREATE, "--vnc"], ["there is no option --vnc", HELP]),
    "no network": (["domain", "create", "web1"], ["--network is missing", HELP]),
    "a timeout in the past": (
        ["domain", "stop", "web1", "--timeout", "-5"],
        [
            '--timeout: "-5" is not a time like 90s, 2m or 1h, 24h at most',
            "pyvirt domain stop --help",
        ],
    ),
    **{
        f"no name for {kind} {verb}": (
            [kind, verb],
            ["NAME... is missing", f"pyvirt {kind} {verb} --help"],
        )
        for kind, verbs in {
            "domain": ("start", "stop", "restart", "pause", "resume", "delete"),
            "network": ("start", "stop", "delete"),
        }.items()
        for verb in verbs
    },
    "names and all": (
        ["stop", "web1", "--all"],
        ["--all takes no names", "pyvirt domain stop --help"],
    ),
}


@pytest.mark.parametrize(("argv", "said"), WRONG.values(), ids=WRONG)
def test_wrong_usage_is_one_line_with_a_hint(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    said: list[str],
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert frame.run(command, "pyvirt", argv) == 2
    what, hint = said
    assert capsys.readouterr().err == f"pyvirt: {what}\n  hint: {hint}\n"


@pytest.mark.parametrize("closed", ["stdin", "stdout"])
def test_a_console_with_nothing_to_type_on_is_one_line_with_a_hint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(f"sys.{closed}", None)
    assert frame.run(command, "pyvirt", ["domain", "console", "web1"]) == 1
    what, hint = capsys.readouterr().err.splitlines()
    assert what == "pyvirt: the console needs an open stdin and stdout"
    assert hint == "  hint: omit <&- and >&-"


def test_every_hint_to_type_what_needs_root_says_sudo() -> None:
    changes = "create|start|stop|restart|pause|resume|delete"
    bare = re.compile(rf"(?<!sudo )pyvirt (?:domain|network) (?:{changes}) \{{")
    package = Path(leasewatch.__file__).parent
    found = [str(file) for file in package.rglob("*.py") if bare.search(file.read_text())]
    assert not found


def test_a_plain_user_gets_the_whole_command_as_a_hint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("sys.argv", ["pyvirt", "domain", "stop", "web1"])
    assert frame.run(command, "pyvirt") == 1
    assert capsys.readouterr().err == (
        "pyvirt: pyvirt domain stop needs root\n  hint: sudo pyvirt domain stop web1\n"
    )


# (as users of virsh, multipass, incus and docker type it, what it does here)
ALIASES = [
    ("vm ls", "domain list"), ("list", "domain list"), ("ls", "domain list"),
    ("net list", "network list"), ("start web1", "domain start web1"),
    ("shutdown web1", "domain stop web1"), ("vm poweroff web1", "domain stop web1"),
    ("reboot web1", "domain restart web1"), ("suspend web1", "domain pause web1"),
    ("resume web1", "domain resume web1"), ("info web1", "domain show web1"),
    ("domain dominfo web1", "domain show web1"),
    ("domifaddr web1", "domain show web1"),
    ("domain rm web1", "domain delete web1"),
    ("domain undefine web1", "domain delete web1"), ("network rm lab", "network delete lab"),
    ("console web1", "domain console web1"), ("shell", "ssh"), ("vm exec", "domain ssh"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "ours"), ALIASES)
def test_a_word_of_other_tools_does_what_it_can_only_mean(
    capsys: pytest.CaptureFixture[str], typed: str, ours: str
) -> None:
    said = []
    for words in (typed, ours):
        assert frame.run(command, "pyvirt", [*words.split(), "--help"]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    first, second = (commands.read(command, "pyvirt", words.split()) for words in (typed, ours))
    assert (first is None) == (second is None)


@pytest.mark.parametrize("typed", ["stop", "domain stop", "vm shutdown"])
def test_names_are_completed_after_every_spelling(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    monkeypatch.setenv("_PYVIRT_COMPLETE", "fish")
    known = ["web10", "web2", "db1"]
    monkeypatch.setattr("leasewatch.pyvirt.defined.kept_rows.KeptRows.names", lambda _: known)
    assert frame.run(command, "pyvirt", [*typed.split(), ""]) == 0
    assert capsys.readouterr().out.split() == ["db1", "web2", "web10"]


# (what is written, bytes)
SIZES = [
    ("20G", 20 << 30), ("20GiB", 20 << 30), ("20gb", 20 << 30), ("1.5G", 3 << 29), ("1024", 1024),
    ("64 k", 1 << 16), ("2T", 2 << 40), ("", None), ("G", None), ("-1G", None), ("1.0001k", None),
    ("20GG", None), ("1e3", None), ("1.3", None), ("10i", None), ("2Mb", 2 << 20),
]  # fmt: skip


@pytest.mark.parametrize(("text", "count"), SIZES)
def test_a_size_is_read_however_other_tools_write_it(text: str, count: int | None) -> None:
    assert values.size(text) == count


TIMES = [
    ("90", 90), ("90s", 90), ("2m", 120), ("1h", 3600), ("0", 0), ("24h", 86400), ("25h", None),
    ("86401", None), ("-5", None), ("", None), ("s", None), ("1.5m", None), ("1d", None),
    ("9" * 99, None), ("٣", None), ("1m30s", None), (" 5", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "count"), TIMES)
def test_a_time_is_seconds_or_has_a_unit(text: str, count: int | None) -> None:
    if count is not None:
        assert commands.seconds(text) == count
        return
    with pytest.raises(ValueError, match="is not a time like 90s, 2m or 1h, 24h at most"):
        commands.seconds(text)


@pytest.mark.parametrize(("text", "mebibytes"), [("2048", 2048), ("2G", 2048), ("512MiB", 512)])
def test_memory_without_a_unit_is_in_mebibytes(text: str, mebibytes: int) -> None:
    assert values.mebibytes(32, 4096)(text) == mebibytes


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], None),
        (["--append", "quiet"], "quiet"),
        (["--append", "console=ttyS0 quiet", "--append=a.b=1"], "console=ttyS0 quiet a.b=1"),
        (["--append", ""], ""),
    ],
)
def test_parts_of_a_kernel_command_line_are_joined(words: list[str], line: str | None) -> None:
    command = with_click.built(domain_create.command)
    parts = command.make_context("create", [*CREATE[2:], *words]).params["append"]
    assert domain_create.joined(parts) == line


@pytest.mark.parametrize(("half", "kind"), [(network, "network"), (domain, "domain")])
def test_a_broken_definition_is_an_error_and_hides_no_other(
    capsys: pytest.CaptureFixture[str], half: ModuleType, kind: str
) -> None:
    class Known:
        def names(self) -> list[str]:
            return ["vm10", "broken", "vm2"]

        def describe(self, name: str) -> dict[str, str]:
            if name == "broken":
                raise UserError("it is broken")
            return dict.fromkeys(half._COLUMNS, name)

        def arriving(self) -> list[str]:
            return []

        def keep(self) -> None:
            """Nothing."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(half, "_listing", Known)
        assert frame.run(command, "pyvirt", [kind, "list", "-o", "name"]) == 1
    assert capsys.readouterr() == ("vm2\nvm10\n", "pyvirt: it is broken\n")
