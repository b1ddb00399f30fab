"""The manual pages say every command and option that there is, and none that is not."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from leasewatch import config
from leasewatch.cli import leasewatch
from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.pyvirt.cli import pyvirt
from nss_pyvirt.installer import cli as nss_pyvirt
from nss_pyvirt.installer import pieces
from nss_pyvirt.terminal import with_click

PAGES = Path(__file__).parents[1] / "packaging/man"
COMMANDS = {
    "leasewatch.1": with_click.built(leasewatch.command),
    "pyvirt.1": with_click.built(pyvirt.command),
    "nss-pyvirt.8": with_click.built(nss_pyvirt.command),
}


def context(command: click.Command, parent: click.Context | None, name: str) -> click.Context:
    """As click makes one, with the settings that options like -h come from."""
    return click.Context(command, parent=parent, info_name=name, **command.context_settings)


def leaves(ctx: click.Context) -> Iterator[click.Context]:
    """The context of every command below this one that does something and is not hidden."""
    if not isinstance(ctx.command, click.Group):
        yield ctx
        return
    for name in ctx.command.list_commands(ctx):
        command = ctx.command.get_command(ctx, name)
        assert command is not None
        if not command.hidden:
            yield from leaves(context(command, ctx, name))


def usage(ctx: click.Context) -> str:
    """What a page heads the command with: its words and its arguments."""
    arguments = [piece for piece in ctx.command.collect_usage_pieces(ctx) if piece != "[OPTIONS]"]
    return " ".join([ctx.command_path, *arguments])


def options(ctx: click.Context) -> set[str]:
    """Every way to write each option of one command."""
    found = [p for p in ctx.command.get_params(ctx) if isinstance(p, click.Option) and not p.hidden]
    return {way for option in found for way in (*option.opts, *option.secondary_opts)}


def documented(page: Path) -> dict[str, set[str]]:
    """The options in the tags below each heading of a page (man(7): .SH or .SS; .TP)."""
    found: dict[str, set[str]] = {}
    heading, is_tag = "", False
    for line in page.read_text().replace(r"\-", "-").splitlines():
        if start := re.match(r'\.S[HS] "?(.*?)"?$', line):
            heading = start[1]
            found[heading] = set()
        elif is_tag:
            found[heading] |= set(re.findall(r"(?<![\w-])--?[A-Za-z0-9][\w-]*", line))
        is_tag = line == ".TP"
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_says_every_command_and_option_and_nothing_else(name: str) -> None:
    found = documented(PAGES / name)
    top = context(COMMANDS[name], None, name.partition(".")[0])
    commands = {usage(leaf): options(leaf) for leaf in leaves(top)}
    prefix = f"{top.info_name} "
    assert {heading for heading in found if heading.startswith(prefix)} == set(commands)
    shared = found["OPTIONS"]
    for heading, wanted in commands.items():
        assert found[heading] | (wanted & shared) == wanted, heading
    assert shared <= set.union(options(top), *commands.values())
    assert options(top) <= shared


def groups(ctx: click.Context) -> Iterator[click.Context]:
    """The context of this group and of each below it."""
    if isinstance(ctx.command, click.Group):
        yield ctx
        for name in ctx.command.list_commands(ctx):
            command = ctx.command.get_command(ctx, name)
            assert command is not None
            yield from groups(context(command, ctx, name))


@pytest.mark.parametrize("name", COMMANDS)
def test_what_help_says_fits_80_columns(name: str) -> None:
    top = context(COMMANDS[name], None, name.partition(".")[0])
    helps = [ctx.get_help() for ctx in (*leaves(top), *groups(top))]
    wide = [line for text in helps for line in text.split("\n") if len(line) > 80]
    assert not wide


@pytest.mark.parametrize("name", COMMANDS)
def test_a_list_of_commands_has_whole_sentences(name: str) -> None:
    top = context(COMMANDS[name], None, name.partition(".")[0])
    cut = [line for ctx in groups(top) for line in ctx.get_help().split("\n") if "..." in line]
    assert not [line for line in cut if "ARGS" not in line]


@pytest.mark.parametrize("page", sorted(PAGES.iterdir()), ids=lambda page: page.name)
def test_groff_has_nothing_to_warn_of(page: Path) -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", page],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_page_that_another_names_is_there_or_somebody_elses() -> None:
    ours = {page.name for page in PAGES.iterdir()}
    for page in PAGES.iterdir():
        text = page.read_text().replace(r"\-", "-")
        named = set(re.findall(r'^\.BR? "?([\w-]+) \((\d)\)', text, re.MULTILINE))
        assert named, page.name
        theirs = {("dnsmasq", "8"), ("getent", "1"), ("nscd", "8"), ("nsswitch.conf", "5")}
        theirs |= {("ssh-keygen", "1")}
        assert {f"{name}.{section}" for name, section in named - theirs} <= ours, page.name


def test_the_unit_points_at_a_page_that_is_there() -> None:
    named = re.findall(r"man:([\w-]+)\((\d)\)", pieces.packaged(pieces.UNIT).decode())
    assert named
    assert all((PAGES / f"{name}.{section}").is_file() for name, section in named)


def test_the_settings_in_the_page_are_valid_and_all_that_there_are() -> None:
    text = (PAGES / "leasewatch.1").read_text()
    settings = text.partition(".SH SETTINGS")[2].partition(".EX\n")[2].partition(".EE\n")[0]
    parsed, faults = config.read(settings.encode(), "leasewatch.1")
    assert not faults
    raw = msgspec.toml.decode(settings)
    assert set(raw) == set(config.Config.__struct_fields__)
    assert set(raw["names"]) == set(config.Names.__struct_fields__)
    assert set(raw["history"]) == set(config.HistorySettings.__struct_fields__)
    assert set(raw["dns"]) == set(DnsSettings.__struct_fields__)
    assert set(raw["source"][0]) == set(config.Source.__struct_fields__)
    assert set(raw["host"][0]) == set(config.Host.__struct_fields__)
    shown = {key: value for key, value in raw["names"].items() if key != "reserved"}
    assert shown == {key: getattr(config.Names(), key) for key in shown}  # the defaults, it says
    assert parsed.history == config.HistorySettings()
    assert parsed.source
