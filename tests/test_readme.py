"""What the README says to type and to look at is there: commands, options, files, settings."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from leasewatch import config
from leasewatch.cli import leasewatch
from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import pyvirt
from nss_pyvirt.installer import cli as nss_pyvirt
from nss_pyvirt.installer import nsswitch
from nss_pyvirt.terminal import with_click
from tests import readme
from tests.bench import commands

ROOT = Path(__file__).parents[1]
BLOCKS = readme.FENCED.findall(readme.TEXT)
SPANS = re.findall(r"`([^`\n]+)`", readme.FENCED.sub("", readme.TEXT))
OURS = {
    "leasewatch": with_click.built(leasewatch.command),
    "pyvirt": with_click.built(pyvirt.command),
    "nss-pyvirt": with_click.built(nss_pyvirt.command),
}
THEIRS = {
    "/opt/pyvirt/bin/pip",
    "apt",
    "cd",
    "eval",
    "getent",
    "gpg",
    "git",
    "ln",
    "pipx",
    "python3",
    "rm",
    "sha256sum",
    "ssh",
    "systemctl",
}
SOURCES = ("leasewatch", "nss_pyvirt", "csrc", "packaging", "tests")


def typed() -> list[str]:
    """Every command of a shell block, and those of the text that begin with one of ours."""
    lines = [line for script in readme.scripts() for line in script.splitlines()]
    lines += [command for command, _ in readme.dialogue()]
    lines += [
        span for span in SPANS if re.match(r"(sudo )?([\w-]*pyvirt|leasewatch|\S+/\S+) ", span)
    ]
    return [line for line in dict.fromkeys(lines) if line.strip() and line != nsswitch.ENTRY]


def words(line: str) -> list[str]:
    """A command's words, without sudo, comment and the variable that gets its output."""
    found = shlex.split(re.sub(r"^\w+=\$\((.*)\)$", r"\1", line), comments=True)
    return found[1:] if found[0] == "sudo" else found


def parse(command: click.Command, argv: list[str], parent: click.Context | None = None) -> None:
    """Let click take the words as it would, down to the last command, which is not run."""
    if isinstance(command, click.Group) and argv and not argv[0].startswith("-"):
        name, *rest = argv
        parent = click.Context(command, parent, name, **command.context_settings)
        member = command.get_command(parent, name)
        assert member is not None, f"there is no command {name}"
        parse(member, rest, parent)
    else:
        command.make_context(None, argv, parent)


@pytest.mark.parametrize("line", typed())
def test_what_is_typed_is_there(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program, *arguments = words(line)
    for name in arguments:  # files that the reader has
        if re.search(r"(\.qcow2|\bvmlinuz|\binitrd\.gz)$", name):
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).touch()
    if program in OURS:
        parse(OURS[program], arguments)
    elif program.startswith("packaging/"):
        script = ROOT / program
        assert os.access(script, os.X_OK)
        options = [word for word in arguments if word.startswith("--")]
        assert all(re.search(rf"(?<!\S){option}\)", script.read_text()) for option in options)
    elif arguments[:1] == ["-m"] and program == ".venv/bin/python":
        assert importlib.util.find_spec(f"{arguments[1]}.__main__")
    else:
        assert program in THEIRS


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("leasewatch ip", "Missing parameter"),
        ("leasewatch addresses web1", "no command addresses"),
        ("sudo pyvirt network create lab --sub-net auto", "No such option"),
        ("pyvirt domain create web1 --network lab --memory much", "is not a size"),
    ],
)
def test_a_command_that_is_wrong_would_be_noticed(command: str, fault: str) -> None:
    program, *arguments = words(command)
    with pytest.raises((click.UsageError, AssertionError)) as found:
        parse(OURS[program], arguments)
    assert fault in (getattr(found.value, "message", "") or str(found.value))


def test_what_to_begin_with_is_there() -> None:
    assert readme.scripts(readme.section("Get it"))[1:] == ["sudo packaging/try\n"]
    assert readme.scripts(readme.section("Hacking")) == ["packaging/test\n"]


def test_a_shell_block_runs_in_every_shell() -> None:
    # A failing cd ends nothing in a terminal; $guest is set where it is used.
    check = ["shellcheck", "--shell=sh", "--exclude=SC2164,SC2154", "-"]
    for script in readme.scripts():
        done = subprocess.run(
            check, input=script, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout


def test_apt_installs_what_a_checkout_gets_and_nothing_more() -> None:
    found = re.findall(r"^sudo apt install (?!\./)(.*)$", readme.TEXT, re.MULTILINE)
    assert found
    prepared = (ROOT / "packaging/prepare").read_text()
    for line in found:
        option, *packages = line.split()
        if packages == ["pipx"] or option == "./*.deb":  # ways of their own
            continue
        assert option == "--no-install-recommends"
        assert packages == sorted(packages)
        assert not [name for name in packages if not re.search(rf"[( ]{name}[)\s]", prepared)]


def test_what_is_linked_and_unlinked_is_what_the_package_installs() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    scripts = {Path(file).name for file in settings["script-files"]}
    (linked,) = re.findall(r"^sudo ln -s (.*) /usr/local/bin/$", readme.TEXT, re.MULTILINE)
    assert set(linked.split()) == {f"/opt/pyvirt/bin/{name}" for name in scripts}
    (removed,) = re.findall(r"^sudo rm (/usr/local/bin/.*)$", readme.TEXT, re.MULTILINE)
    assert set(removed.split()) == {f"/usr/local/bin/{name}" for name in scripts}


def test_the_table_of_commands_has_the_rows_of_the_benchmark() -> None:
    section = readme.section("Whole commands")
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    first = [line.split("|")[1].strip() for line in lines]
    begin = first.index(commands.TITLE)
    heads = [cell.strip() for cell in lines[begin].split("|")]
    assert heads[2:-2] == [*commands.HEADINGS.values(), "ours", "asked"]
    assert first[begin + 2 :][: len(commands.ROWS)] == list(commands.ROWS)


def test_the_settings_are_valid() -> None:
    examples = [text for kind, text in BLOCKS if kind == "toml"]
    assert examples
    for text in examples:
        parsed, faults = config.read(text.encode(), "README.md")
        assert not faults
        assert parsed != config.Config()


def test_every_kind_of_code_block_is_checked() -> None:
    assert {kind for kind, _ in BLOCKS} == {"sh", "console", "toml"}


def test_files_of_the_source_that_are_named_are_there() -> None:
    named = {span for span in SPANS if re.fullmatch(r"(?!/)[\w./-]+(/|\.(py|c|h|md))", span)}
    assert len(named) > 5
    there = [f"/{path.relative_to(ROOT)}" for path in _sources()]
    lost = [n for n in named if not any(path.endswith(f"/{n.rstrip('/')}") for path in there)]
    assert not lost


def _sources() -> Iterator[Path]:
    for folder in SOURCES:
        yield ROOT / folder
        yield from (ROOT / folder).rglob("*")


def test_paths_of_the_product_that_are_named_are_those_of_the_product() -> None:
    owned = r"/(?:etc|run|var/lib)/(?:pyvirt|leasewatch)/[\w./-]*"
    named = {path.rstrip("/") for path in re.findall(owned, " ".join(SPANS))}
    assert len(named) > 5
    known = {str(getattr(Paths(), name)) for name in dir(Paths) if not name.startswith("_")}
    strange = [n for n in named if n not in known and str(Path(n).parent) not in known]
    assert not strange


def test_the_tab_key_completes_as_it_says() -> None:
    (line,) = re.findall(r'`(eval "[^`]*)`', readme.TEXT)
    done = subprocess.run(
        ["bash", "-c", f"{line} && complete -p leasewatch pyvirt nss-pyvirt"],
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" -F _nss_pyvirt ") == 3
