"""`leasewatch top`: its help; `loop` does the rest."""

from __future__ import annotations

from leasewatch.paths import Paths
from nss_pyvirt.terminal import commands, frame


@commands.command(epilog=frame.examples("leasewatch top"))
def command(paths: Paths) -> int:
    """Show networks, their guests and what happens there, live.

    AGE is how long the guest has had its name, LEFT what is left of the lease, and
    LAG the time from the lease to the published name, for leases that came
    since the start. A wide terminal also shows MAC addresses.

    \b
    q      quit
    /      show only what contains a text; esc clears it
    s      sort by the next column: age, name, address, left, lag
    r      reverse the order
    n      show only the next network
    j, k   scroll, as do arrows, space and b

    Needs the running service; while it is away, the last state stays on screen.
    """  # noqa: D301  click means the character
    from leasewatch.cli.top import loop, terminal  # noqa: PLC0415  start-up time

    terminal.check()
    return loop.run(paths)
