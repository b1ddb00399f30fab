"""`leasewatch doctor`: what is wrong on this host, and what to type."""

from __future__ import annotations

from leasewatch.cli import ask
from leasewatch.paths import Paths
from nss_pyvirt.checks import Row
from nss_pyvirt.terminal import commands, frame, report
from nss_pyvirt.terminal.commands import Param

ROOT = "sudo leasewatch doctor"


@commands.command(
    Param("name", complete=ask.complete_name),
    commands.output("table", "json", help="How to print the rows."),
    epilog=frame.examples(
        "leasewatch doctor",
        "leasewatch doctor web1              why it does not resolve",
        "leasewatch doctor -o json | jq '.[] | select(.state == \"bad\")'",
    ),
)
def command(paths: Paths, name: str | None, output: str) -> int:
    """Check what guests' names need, and say what to type.

    With NAME, follow this name from its definition over lease and table to the programs that ask
    for it. The last row is where it ends.

    \b
    ok    all is well
    warn  it may fail
    bad   it fails
    off   it is not in use here
    root  only root can check it

    Changes nothing. Exits with 1 if something is bad.
    """  # noqa: D301  click means the character
    if name is None:
        return report.write(rows(paths), output, ROOT)
    from leasewatch.doctor import registry  # noqa: PLC0415  start-up time
    from leasewatch.doctor.host import Host  # noqa: PLC0415  start-up time

    return report.write(registry.follow(Host(paths), name), output, ROOT)


def rows(paths: Paths | None = None) -> list[Row]:
    """The rows of all checks, also for `nss-pyvirt status`."""
    from leasewatch.doctor import registry  # noqa: PLC0415  start-up time
    from leasewatch.doctor.host import Host  # noqa: PLC0415  start-up time

    return registry.run(Host(paths or Paths()))
