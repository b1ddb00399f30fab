"""What only root may do, said before anything is tried."""

from __future__ import annotations

import os
import shlex
import sys

import click

from nss_pyvirt.errors import UserError


def need_root() -> None:
    """UserError for anybody else, with the whole command to type instead."""
    if os.geteuid() != 0:
        what = click.get_current_context().command_path
        raise UserError(
            f"{what} needs root", f"sudo pyvirt {shlex.join(sys.argv[1:])}", "needs-root"
        )
