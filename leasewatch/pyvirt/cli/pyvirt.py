"""`pyvirt`: the command group; its two halves are loaded only when used."""

from __future__ import annotations

import os
import shlex

import click

from nss_pyvirt import __version__
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import frame


class _Halves(frame.LazyGroup):
    """Says where a command is that was looked for here: `pyvirt start web1`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with the whole command to type in its hint."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            half = self.get_command(ctx, "domain")
            if isinstance(half, click.Group) and args[0] in half.commands:
                what = error.format_message()
                raise UserError(
                    what, f"pyvirt domain {shlex.join(args)}", "usage", exit_code=2
                ) from None
            raise


@click.group(
    cls=_Halves,
    members={"network": "leasewatch.pyvirt.cli.network", "domain": "leasewatch.pyvirt.cli.domain"},
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=frame.examples(
        "pyvirt network create lab --subnet auto",
        "pyvirt network start lab",
        "pyvirt domain create web1 --network lab --disk debian-12.qcow2",
        "pyvirt domain start web1 && ssh web1",
    ),
)
@click.version_option(__version__)
def command() -> None:
    """Virtual networks and machines whose names resolve."""


def main() -> int:
    """Entry point of the console script; returns the exit code."""
    os.umask(0o022)  # others than root read what is made, dnsmasq for one; secrets have their mode
    return frame.run(command, "pyvirt")


if __name__ == "__main__":
    raise SystemExit(main())
