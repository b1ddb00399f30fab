"""`leasewatch doctor`: what is wrong on this host, and what to type."""

from __future__ import annotations

from leasewatch.paths import Paths
from nss_pyvirt.checks import Row
from nss_pyvirt.terminal import commands, frame, report

ROOT = "sudo leasewatch doctor"


@commands.command(
    commands.output("table", "json", help="How to print the rows."),
    epilog=frame.examples(
        "leasewatch doctor",
        "leasewatch doctor -o json | jq '.[] | select(.state == \"bad\")'",
    ),
)
def command(paths: Paths, output: str) -> int:
    """Check everything that names and addresses of guests need, and say what to type.

    \b
    ok    all is well
    warn  it may fail
    bad   it fails
    off   it is not in use here
    root  only root can check it

    Changes nothing. Exits with 1 if something is bad.
    """  # noqa: D301  click means the character
    return report.write(rows(paths), output, ROOT)


def rows(paths: Paths | None = None) -> list[Row]:
    """The rows of all checks, also for `nss-pyvirt status`."""
    from leasewatch.doctor import registry  # noqa: PLC0415  start-up time
    from leasewatch.doctor.host import Host  # noqa: PLC0415  start-up time

    return registry.run(Host(paths or Paths()))
