"""`leasewatch serve`: runs the service in the foreground."""

from __future__ import annotations

import click

from leasewatch.paths import Paths


@click.command()
@click.pass_obj
def command(paths: Paths) -> None:
    """Watch the lease files and publish the names, until SIGTERM.

    Normally leasewatch.service runs this. SIGHUP reads the settings anew.
    """
    from leasewatch.service import serve  # noqa: PLC0415 (the service's imports are not for --help)

    serve(paths)
