"""`pyvirt domain migrate`, and the agent that it runs on the other host."""

from __future__ import annotations

import os

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves, secret_options
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param
from nss_pyvirt.terminal.status_line import StatusLine

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from leasewatch.pyvirt.domains.secrets import Secrets

_METHODS = ("zlib", "zstd", "xbzrle")


def _pair(text: str) -> tuple[str, str]:
    """OLD=NEW."""
    old, found, new = text.partition("=")
    if not (found and old and new):
        raise ValueError("write it as OLD=NEW: the network's name here, and there")
    return old, new


@commands.command(
    halves.one_name("domain"),
    Param("host", metavar="HOST"),
    Param(
        "--postcopy",
        flag=True,
        help="Let the guest run there first; its memory follows. It always comes to an end.",
    ),
    Param(
        "--postcopy-after-precopy",
        flag=True,
        help="Likewise, once all of the memory was sent one time.",
    ),
    Param("--compressed", flag=True, help="Compress memory: xbzrle, or zstd with --parallel."),
    Param(
        "--comp-methods",
        kind=_METHODS,
        metavar="METHOD",
        help="Compress by zlib, zstd (both with --parallel) or xbzrle.",
    ),
    Param(
        "--comp-level",
        kind=commands.whole_number(1, 20),
        metavar="NUMBER",
        help="How much zlib (1-9) or zstd (1-20) compresses.",
    ),
    Param("--parallel", flag=True, help="Send memory over several connections."),
    Param(
        "--parallel-connections",
        kind=commands.whole_number(1, 255),
        metavar="NUMBER",
        help="How many.  [default: 2]",
    ),
    Param(
        "--auto-converge",
        flag=True,
        help="Slow down a guest that changes memory faster than it is sent.",
    ),
    Param("--tls", flag=True, help="Have QEMU encrypt; for --address. ssh encrypts anyway."),
    Param(
        "--tls-destination",
        metavar="NAME",
        help="The name in HOST's certificate.  [default: ADDRESS, or HOST]",
    ),
    Param(
        "--address",
        metavar="ADDRESS",
        help="Send memory and disks by TCP to ADDRESS[:PORT] instead of through ssh.",
    ),
    Param(
        "--network",
        name="networks",
        kind=_pair,
        multiple=True,
        metavar="OLD=NEW",
        help="The network OLD is called NEW there (repeatable).",
    ),
    secret_options.SECRET_FILES,
    Param(
        "--bandwidth",
        kind=commands.whole_number(1, 1 << 20),
        metavar="MIB",
        help="Send no more than this, in MiB/s.",
    ),
    Param(
        "--timeout",
        kind=commands.seconds,
        metavar="TIME",
        help="Then begin post-copy if it is asked for; else stop the guest until all is sent.",
    ),
    Param(
        "--resume",
        flag=True,
        help="Go on with a post-copy whose link was lost; its guest waits for the rest.",
    ),
    Param("--cancel", flag=True, help="End a move that runs on another terminal."),
    needs_root=True,
    epilog=frame.examples(
        "sudo pyvirt domain migrate web1 kvm2",
        "sudo pyvirt domain migrate web1 root@10.0.0.2 --postcopy-after-precopy",
        "sudo pyvirt domain migrate db1 kvm2 --parallel --comp-methods zstd",
        "sudo pyvirt domain migrate db1 kvm2 --address 10.1.0.2 --tls",
    ),
)
def command(
    name: str, host: str | None, secret_files: Sequence[str], *, cancel: bool, **options: Any
) -> None:
    """Move a running domain to another host.

    Root's ssh must reach HOST, where pyvirt is installed and the same networks are started. Disks
    are copied unless both hosts share them. The name follows. If anything fails, the guest goes on
    here.
    """
    from leasewatch.pyvirt.migration.source import Source  # noqa: PLC0415  start-up time

    if cancel:
        _cancel(name)
        return
    if host is None:
        hint = "say where it moves: pyvirt domain migrate NAME HOST"
        raise UserError("HOST is missing", hint, "usage", exit_code=2)
    wanted = _wanted(host, options)
    if options["resume"]:
        _resume(name, wanted)
        return
    wanted = wanted._replace(secrets=_secrets(name, secret_files))
    with StatusLine("pyvirt") as line:
        try:
            moved = Source(Paths()).migrate(name, wanted, line)
        except KeyboardInterrupt:
            line.note(f"cancelled: {name} goes on here")
            raise
    downtime = round(moved.downtime * 1000)
    seconds = round(moved.total, 1)
    _warn(name, host, moved.problem)
    frame.print_done(
        f"{name} runs on {host}; it was moved in {seconds:g} s and stood still for {downtime} ms",
        domain=name,
        host=host,
        seconds=seconds,
        downtime=downtime,
        postcopy=moved.postcopy,
    )


def _cancel(name: str) -> None:
    from leasewatch.pyvirt.migration import cancel  # noqa: PLC0415  start-up time

    cancel.cancel(Paths(), name)
    frame.print_done(f"the move of {name} is cancelled: it goes on here", domain=name)


def _secrets(name: str, files: Sequence[str]) -> Secrets:
    """The passphrases that the destination needs: asked for before a status line is there."""
    from leasewatch.pyvirt.domains.known import KnownDomains  # noqa: PLC0415  start-up time

    domain = KnownDomains(Paths()).get(name)
    if not domain.may_be_encrypted:
        return {}
    return secret_options.of_domain(domain, secret_options.Given(files))


def _resume(name: str, wanted: Any) -> None:
    from leasewatch.pyvirt.migration.resume import Resumption  # noqa: PLC0415  start-up time

    with StatusLine("pyvirt") as line:
        moved = Resumption(Paths()).resume_migration(name, wanted, line)
    _warn(name, wanted.host, moved.problem)
    seconds = round(moved.total, 1)
    frame.print_done(
        f"{name} runs on {wanted.host}; the rest of it was moved in {seconds:g} s",
        domain=name,
        host=wanted.host,
        seconds=seconds,
    )


def _warn(name: str, host: str, problem: str) -> None:
    if problem:
        what = f"the name {name} is not published on {host}: {problem}"
        frame.print_warning("pyvirt", UserError(what))


def _wanted(host: str, options: dict[str, Any]) -> Any:
    from leasewatch.pyvirt.migration import channel  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.migration.modes import Options  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.migration.wanted import Wanted  # noqa: PLC0415  start-up time

    if options["address"]:
        channel.parse_address(options["address"])
    chosen = Options(
        postcopy=options["postcopy"],
        postcopy_after_precopy=options["postcopy_after_precopy"],
        compressed=options["compressed"],
        comp_methods=tuple(filter(None, [options["comp_methods"]])),
        comp_level=options["comp_level"],
        parallel=options["parallel"],
        parallel_connections=options["parallel_connections"],
        auto_converge=options["auto_converge"],
        tls=options["tls"],
        tls_hostname=options["tls_destination"] or "",
        timeout=options["timeout"],
        bandwidth=options["bandwidth"],
    )
    return Wanted(host, chosen, dict(options["networks"]), options["address"] or "")


@commands.command(
    halves.one_name("domain"),
    Param("--again", flag=True, help="Take over from an agent whose connection was cut."),
    hidden=True,
    needs_root=True,
)
def receive(name: str, *, again: bool) -> None:
    """Receive a domain that another host sends: `domain migrate` runs this there by ssh."""
    from leasewatch.pyvirt.migration import destination  # noqa: PLC0415  start-up time

    def write(line: bytes) -> None:
        while line:
            line = line[os.write(1, line) :]

    destination.serve(Paths(), name, 0, write, again=again)
