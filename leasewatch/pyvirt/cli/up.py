"""`pyvirt up` and `pyvirt down`: start what starts at boot, stop everything."""

from __future__ import annotations

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leasewatch.pyvirt.boot import Names

_BRIDGE = 30
"""Seconds for a bridge of the host to appear."""


@commands.command(
    needs_root=True,
    epilog=frame.examples("sudo pyvirt domain autostart web1 on", "sudo pyvirt up"),
)
def up() -> int:
    """Start what starts when the host boots: networks, then domains.

    A domain brings its networks with it. What needs a bridge of the host that is not there yet is
    started last. pyvirt.service runs this at boot.
    """
    from leasewatch.pyvirt import boot  # noqa: PLC0415  start-up time

    wanted = boot.wanted(Paths())
    for error in wanted.errors:
        frame.print_error("pyvirt", error)
    if not any(wanted.all) and not wanted.errors:
        hint = "sudo pyvirt domain autostart NAME on"
        frame.print_warning("pyvirt", UserError("nothing starts at boot", hint, "not-found"))
        return 0
    failed = _start(wanted.stopped, without=wanted.late)
    if any(wanted.late):
        _await(wanted.bridges)
        failed += _start(wanted.late)
    return _sum_up(wanted.all, failed, len(wanted.errors), "up", "start")


@commands.command(
    Param(
        "--timeout",
        kind=commands.seconds,
        metavar="TIME",
        help="How long guests may take; default: the --stop-timeout of each.",
    ),
    needs_root=True,
    epilog=frame.examples("sudo pyvirt down", "sudo pyvirt down --timeout 10"),
)
def down(timeout: int | None) -> int:
    """Shut down all running domains at once, then stop all networks.

    For the init script of a host without systemd, which does this by itself.
    """
    from leasewatch.pyvirt import boot  # noqa: PLC0415  start-up time

    started = boot.started(Paths())
    if not any(started):
        frame.print_done("nothing is started", networks=0, domains=0)
        return 0
    from leasewatch.pyvirt.cli import at_once  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.cli.domain_states import stopped  # noqa: PLC0415  start-up time

    failed = stopped(started.domains, timeout, force=True)
    failed += _failed(at_once.stop_networks(started.networks))
    return _sum_up(started, failed, 0, "stopped", "stop")


def _start(names: Names, without: Names | None = None) -> list[str]:
    """Start networks, then domains; those that failed."""
    failed = []
    for kind, wanted, left in zip(("network", "domain"), names, without or ((), ()), strict=True):
        chosen = [name for name in wanted if name not in left]
        if chosen:
            from leasewatch.pyvirt.cli import at_once  # noqa: PLC0415  start-up time

            failed += _failed(at_once.start(kind, chosen))
    return failed


def _await(bridges: Sequence[str]) -> None:
    """Wait for bridges of the host: at boot, its own network may be set up later than we run."""
    import time  # noqa: PLC0415  start-up time

    from leasewatch.pyvirt import boot  # noqa: PLC0415  likewise

    halves.say(f"waiting up to {_BRIDGE} s for bridge {' and '.join(bridges)} of this host")
    deadline = time.monotonic() + _BRIDGE
    while not all(map(boot.is_there, bridges)) and time.monotonic() < deadline:
        time.sleep(0.1)


def _failed(codes: Mapping[str, int]) -> list[str]:
    return [name for name, code in codes.items() if code]


def _sum_up(names: Names, failed: list[str], unread: int, state: str, verb: str) -> int:
    networks, domains = map(len, names)
    if failed or unread:
        total = networks + domains + unread
        who = f": {', '.join(failed)}" if failed else ""
        what = f"{len(failed) + unread} of {total} did not {verb}{who}"
        frame.print_error("pyvirt", UserError(what))
        return 1
    counted = [_count(n, word) for n, word in ((networks, "network"), (domains, "domain")) if n]
    be = "is" if networks + domains == 1 else "are"
    sentence = f"{' and '.join(counted)} {be} {state}"
    frame.print_done(sentence, networks=networks, domains=domains)
    return 0


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
