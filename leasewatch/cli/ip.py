"""`leasewatch ip NAME`: bare addresses, one per line, for scripts."""

from __future__ import annotations

from leasewatch.cli import ask
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame, show
from nss_pyvirt.terminal.commands import Command, Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from leasewatch.reach.addresses import What


@commands.command(
    Param("name", required=True, complete=ask.complete_name),
    Param("-4", name="ipv4", flag=True, help="IPv4 only."),
    Param("-6", name="ipv6", flag=True, help="IPv6 only."),
    Param(
        "--wait",
        kind=commands.seconds,
        bare="30s",
        metavar="TIME",
        help="Wait until there is one; --wait=30s says how long at most.",
    ),
    epilog=frame.examples(
        "leasewatch ip web1",
        "leasewatch ip web1 --wait",
        "ping $(leasewatch ip -4 web1 --wait=2m | head -n 1)",
    ),
)
def command(paths: Paths, name: str, wait: int | None, *, ipv4: bool, ipv6: bool) -> None:
    """Print the addresses of NAME, one per line, best first.

    Exits with 3 if there is no such name, or no such address yet; with 4 if --wait timed out.
    """
    if wait is not None:
        _wait(paths, name, wait, "address" if ipv4 == ipv6 else "ipv4" if ipv4 else "ipv6")
    canonical, addresses = ask.answer(paths, name)
    wanted = [family for family, only in ((4, ipv4), (6, ipv6)) if only or ipv4 == ipv6]
    found = [(text, ifindex) for text, family, ifindex in addresses if family in wanted]
    if not addresses:
        hint = f"leasewatch ip --wait {name}"
        raise UserError(
            f"{canonical} was started and has no address yet", hint, "pending", exit_code=3
        )
    if not found:
        raise UserError(f"{canonical} has no IPv{wanted[0]} address", code="not-found", exit_code=3)
    shown = [frame.printable(show.address(text, ifindex)) for text, ifindex in found]
    if Command.prints_json:
        import json  # noqa: PLC0415  start-up time

        shown = [json.dumps(shown)]
    frame.write("".join(f"{line}\n" for line in shown))  # at once: `| head -n 1` breaks no pipe


def _wait(paths: Paths, name: str, seconds: int, what: What) -> None:
    import time  # noqa: PLC0415  start-up time

    from leasewatch.cli import waiting  # noqa: PLC0415  start-up time
    from leasewatch.reach.addresses import Awaited  # noqa: PLC0415  start-up time

    with waiting.Shown(name) as shown:
        Awaited(paths, name, time.monotonic() + seconds, what).addresses(shown)
