"""How every command of the project reads its command line. Prints nothing and knows no command."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from nss_pyvirt.errors import UserError

_JSON = f"{__name__}.json"
"""Key of a context's `meta`: whether the command was given `-o json`."""


def prints_json() -> bool:
    """Whether the running command was given `-o json`."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_JSON))


class Command(click.Command):
    """click's command, which refuses an option that is given twice unless it is repeatable.

    `needs_root`: refuse to do anything for other users, and print the command to type.
    A command that has no option `-o` of its own takes `-o text|json`.
    """

    def __init__(self, *args: Any, needs_root: bool = False, **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self.needs_root = needs_root
        self._prints_rows = any(param.name == "output" for param in self.params)
        if not self._prints_rows:
            self.params.append(_output_option())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words; UsageError for `--disk a --disk b`: click would take the last."""
        if not ctx.resilient_parsing:
            _, _, order = self.make_parser(ctx).parse_args(list(args))
            for option in order:
                if _is_single(option) and order.count(option) > 1:
                    ctx.fail(f"{option.opts[-1]} is given more than once")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; UserError where only root may."""
        ctx.meta[_JSON] = ctx.params["output"] == "json"
        if not self._prints_rows:
            del ctx.params["output"]  # the command's function does not take it
        if self.needs_root and os.geteuid() != 0:
            import shlex  # noqa: PLC0415  start-up time

            typed = shlex.join([str(ctx.find_root().info_name), *sys.argv[1:]])
            raise UserError(f"{ctx.command_path} needs root", f"sudo {typed}", "needs-root")
        return super().invoke(ctx)


def _output_option() -> click.Option:
    return click.Option(
        ["-o", "--output"],
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How to print results and errors.",
    )


def _is_single(param: click.Parameter) -> bool:
    """Whether one value counts. A repeated `--force` says nothing new, `--x --no-x` does."""
    if not isinstance(param, click.Option) or param.multiple or param.count:
        return False
    return not param.is_flag or bool(param.secondary_opts)


class Group(click.Group):
    """click's group of such commands; it says what an unknown command was probably meant to be.

    `synonyms`: a word of other tools -> the words of ours, e.g. `rm` -> `delete`.
    """

    command_class = Command

    def __init__(self, *args: Any, synonyms: Mapping[str, str] | None = None, **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self.synonyms = synonyms or {}

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the first word; UserError with the command to type instead."""
        name = args[0]
        if name in self.list_commands(ctx) or name[:1] == "-" or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        hint = f"{ctx.command_path} --help"
        if meant := self.meant(ctx, name):
            import shlex  # noqa: PLC0415  start-up time

            sudo = "sudo " * self._needs_root(ctx, meant)
            words = shlex.join([*ctx.command_path.split(), *meant.split(), *args[1:]])
            hint = f"did you mean: {sudo}{words}"
        raise UserError(
            f"there is no command {ctx.command_path} {name}", hint, "usage", exit_code=2
        )

    def meant(self, ctx: click.Context, name: str) -> str | None:
        """The words of ours that an unknown command stands for."""
        from difflib import get_close_matches  # noqa: PLC0415  only here

        if name in self.synonyms:
            return self.synonyms[name]
        return next(iter(get_close_matches(name, self.list_commands(ctx), 1)), None)

    def _needs_root(self, ctx: click.Context, words: str) -> bool:
        found: click.Command | None = self
        for word in words.split():
            found = found.get_command(ctx, word) if isinstance(found, click.Group) else None
        return isinstance(found, Command) and found.needs_root


class LazyGroup(Group):
    """A group whose members are imported when used, so that each command starts quickly.

    `members`: name -> `module` whose `command` it is.
    """

    def __init__(self, *args: Any, members: Mapping[str, str], **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self._members = members

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The names, as click asks for them."""
        return list(self._members)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in self._members:
            return None
        command = importlib.import_module(self._members[cmd_name]).command
        return command if isinstance(command, click.Command) else None


class WholeNumber(click.ParamType[int]):
    """A whole number from `least` to `most`; `unit` is what an error calls it."""

    name = "number"

    def __init__(self, least: int, most: int, unit: str = "") -> None:
        self._least, self._most, self._unit = least, most, unit

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; an error says the limits."""
        text = str(value)
        number = int(text) if text.lstrip("-").isascii() and text.lstrip("-").isdigit() else None
        if number is None or not self._least <= number <= self._most:
            limits = f"from {self._least} to {self._most}{self._unit and ' ' + self._unit}"
            self.fail(f'"{text}" is not a whole number {limits}', param, ctx)
        return number


def fault(error: click.ClickException) -> str:
    """What click has to say of a wrong command line, in the project's own style."""
    if isinstance(error, click.NoSuchOption):
        return f"there is no option {error.option_name}"
    param = getattr(error, "param", None)
    name = ""
    if isinstance(param, click.Parameter):
        name = param.opts[-1] if isinstance(param, click.Option) else param.human_readable_name
    if name and isinstance(error, click.MissingParameter):
        return f"{name} is missing"
    text = error.message if name else error.format_message()
    text = text[:1].lower() + text[1:].removesuffix(".")
    return f"{name}: {text}" if name else text
