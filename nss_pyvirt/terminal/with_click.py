"""What click does for our commands: help, and saying what is wrong with the words.

Only a command that needs one of these imports this.
"""

from __future__ import annotations

import io
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any

import click

from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import frame
from nss_pyvirt.terminal.commands import Command, Group, Param


def run(top: Group | Command, prog: str, words: Sequence[str], obj: object) -> Any:
    """Let click read the words: what the command returns, or the exit code of wrong usage."""
    if sys.stdout is None:  # closed: `>&-`; click before 8.1.4 would write to it
        sys.stdout = io.StringIO()
    try:
        return built(top).main(args=[*words], prog_name=prog, standalone_mode=False, obj=obj)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        return 130
    except click.ClickException as error:
        return _wrong_usage(prog, error, words)


def built(ours: Group | Command, name: str | None = None) -> click.Command:
    """Click's command for one of ours."""
    return _Group(ours, name) if isinstance(ours, Group) else _Command(ours, name)


class _Command(click.Command):
    """Refuses an option that is given twice unless it is repeatable."""

    def __init__(self, ours: Command, name: str | None) -> None:
        super().__init__(
            name,
            params=[*map(_param, ours.params)],
            callback=click.pass_context(lambda ctx, **v: ours.invoke(ctx.command_path, ctx.obj, v)),
            help=ours.act.__doc__,
            epilog=ours.epilog,
            hidden=ours.hidden,
            context_settings={"allow_interspersed_args": not any(p.rest for p in ours.params)},
        )

        self._bare = {
            word: f"{word}={param.bare}"
            for param in ours.params
            for word in param.words
            if param.bare is not None
        }
        """Options without their value; click would take the next word for it."""
        self._optional = {w: p for p in ours.params for w in p.words if p.bare is not None}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words; UsageError for `--disk a --disk b`: click would take the last."""
        written = args
        args = [self._bare.get(word, word) for word in args]
        if not ctx.resilient_parsing:
            _, _, order = self.make_parser(ctx).parse_args(list(args))
            for option in order:
                if _is_single(option) and order.count(option) > 1:
                    ctx.fail(f"{option.opts[-1]} is given more than once")
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if type(error) is not click.UsageError:  # it names its parameter
                raise
            raise click.UsageError(error.message + self._meant(written), ctx) from error

    def _meant(self, words: Sequence[str]) -> str:
        """How to write `--wait 3s`, if that is there: its value must be in the same word."""
        for word, following in pairwise(words):
            if word in self._optional:
                with suppress(ValueError):
                    self._optional[word].convert(following)
                    return f"; write {word}={following}"
        return ""


class _Group(click.Group):
    """Says what an unknown command was probably meant to be."""

    def __init__(self, ours: Group, name: str | None) -> None:
        settings = {"help_option_names": ["-h", "--help"]} if ours.version else {}
        super().__init__(name, help=ours.help, epilog=ours.epilog, context_settings=settings)
        self._ours = ours
        if ours.version:
            click.version_option(ours.version)(self)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The names, as click asks for them."""
        return list(self._ours.members)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        found = self._ours.find(cmd_name)
        return None if found is None else built(found, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the first word; UserError with the command to type instead."""
        args = self._ours.ours(args)
        name = args[0]
        if self._ours.find(name) or name[:1] == "-" or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        hint = f"{ctx.command_path} --help"
        if meant := self._ours.meant(name):
            sudo = "sudo " * _needs_root(self._ours, meant)
            words = shlex.join([*ctx.command_path.split(), *meant.split(), *args[1:]])
            hint = f"did you mean: {sudo}{words}"
        raise UserError(
            f"there is no command {ctx.command_path} {name}", hint, "usage", exit_code=2
        )


class _Option(click.Option):
    """Help shows that a value may be omitted, and that it is part of the word: `--wait[=TIME]`."""

    has_bare = False

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The words and the sentence, as click asks for them."""
        record = super().get_help_record(ctx)
        if record is None or not self.has_bare:
            return record
        words, _, value = record[0].partition(" ")
        return f"{words}[={value.strip('[]')}]", record[1]


if TYPE_CHECKING:
    _AnyKind = click.ParamType[Any]
else:
    _AnyKind = click.ParamType  # Debian 12 and 13 have a click before it became generic


class _Kind(_AnyKind):
    """The values that one of our functions makes of texts."""

    name = "text"

    def __init__(self, ours: Param) -> None:
        self._convert = ours.convert

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value; an error has the function's reason."""
        if not isinstance(value, str):
            return value  # a default
        try:
            return self._convert(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _param(ours: Param) -> click.Parameter:
    kind = click.Choice(ours.kind) if isinstance(ours.kind, tuple) else ours.kind and _Kind(ours)
    attrs: dict[str, Any] = {
        "type": None if ours.flag else kind or str,
        "required": ours.required,
        "metavar": ours.metavar,
    }
    if not ours.words:
        return click.Argument([ours.name], nargs=-1 if ours.multiple else 1, **attrs)
    option = _Option(
        [*ours.words, ours.name],
        is_flag=ours.flag,
        multiple=ours.multiple,
        default=bool(ours.default) if ours.flag else ours.default,
        show_default=ours.default is not None,
        help=ours.help,
        hidden=ours.hidden,
        **attrs,
    )
    option.has_bare = ours.bare is not None
    return option


def _is_single(param: click.Parameter) -> bool:
    """Whether one value counts. A repeated `--force` says nothing new, `--x --no-x` does."""
    if not isinstance(param, click.Option) or param.multiple:
        return False
    return not param.is_flag or bool(param.secondary_opts)


def _needs_root(group: Group, words: str) -> bool:
    found: Group | Command | None = group
    for word in words.split():
        found = found.find(word) if isinstance(found, Group) else found
    return isinstance(found, Command) and found.needs_root


def _wrong_usage(prog: str, error: click.ClickException, words: Sequence[str]) -> int:
    """Print click's complaint as ours, with the command whose help to read."""
    context = getattr(error, "ctx", None)
    if "\n" in error.format_message() and not isinstance(error, click.MissingParameter):
        error.show()  # a group without a command: its help
        return error.exit_code
    names = takewhile(lambda word: word[:1] != "-", words)
    path = " ".join([prog, *names]) if context is None else context.command_path
    told = UserError(_fault(error), f"{path} --help", "usage")
    frame.print_error(prog, told, as_json=frame.asks_for_json(words))
    return error.exit_code


def _fault(error: click.ClickException) -> str:
    """What click has to say of a wrong command line, in the project's own style."""
    if isinstance(error, click.NoSuchOption):
        return f"there is no option {error.option_name}"
    param = getattr(error, "param", None)
    name = ""
    if isinstance(param, click.Parameter):
        name = param.opts[-1] if isinstance(param, click.Option) else param.human_readable_name
        name = name[1:-1] if name[:1] == "[" and name[-1:] == "]" else name  # `[LEVEL]`
    if name and isinstance(error, click.MissingParameter):
        assert isinstance(param, click.Parameter)  # noqa: S101  for mypy
        offered = ", ".join(param.type.choices) if isinstance(param.type, click.Choice) else ""
        return f"{name} is missing: {offered}".removesuffix(": ")
    text = error.message if name else error.format_message()
    text = text.removeprefix("Got ").replace("unexpected extra", "unexpected")
    text = text[:1].lower() + text[1:].removesuffix(".")
    return f"{name}: {text}" if name else text
