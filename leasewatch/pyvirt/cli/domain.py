"""`pyvirt domain …`: options in, sentences and rows out. Decides nothing about domains."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli.each import each
from leasewatch.pyvirt.cli.say import say
from leasewatch.pyvirt.cli.values import DiskSize, FilePath, Mebibytes
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal import show as look

if TYPE_CHECKING:
    from leasewatch.pyvirt.domains.domains import Domains

_COLUMNS = ("name", "state", "networks", "macs", "addresses")
_WIDE = {"networks": 60, "macs": 110}
"""The least width of a terminal that shows these."""


def _domains() -> Domains:
    from leasewatch.pyvirt.domains.domains import Domains  # noqa: PLC0415  # `--help` does without

    return Domains(Paths())


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in _domains().names() if name.startswith(incomplete)]


_name = click.argument("name", shell_complete=_complete)
_names = click.argument(
    "names", metavar="NAME...", nargs=-1, required=True, shell_complete=_complete
)


def _complete_network(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from leasewatch.pyvirt.defined import store  # noqa: PLC0415  # as above

    known = store.names(Paths().network_definitions)
    return [name for name in known if name.startswith(incomplete)]


SYNONYMS = {
    **dict.fromkeys(("rm", "remove", "undefine"), "delete"),
    **dict.fromkeys(("info", "dominfo", "status"), "show"),
    **dict.fromkeys(("define", "new"), "create"),
    **dict.fromkeys(("restart", "reboot"), "shutdown"),
    "destroy": "stop",
    "ls": "list",
}


@click.group(
    cls=commands.Group,
    synonyms=SYNONYMS,
    epilog=frame.examples(
        "sudo pyvirt domain create web1 --network lab --disk deb12.qcow2 --size 20G",
        "sudo pyvirt domain start web1 && ssh web1",
        "sudo pyvirt domain shutdown web1 web2",
    ),
)
def command() -> None:
    """Virtual machines: QEMU guests on these networks."""


@command.command(
    needs_root=True,
    epilog=frame.examples(
        "sudo pyvirt domain create web1 --network lab --disk deb12.qcow2 --size 20G",
        "sudo pyvirt domain create db1 --network lab --disk db.qcow2 --alias sql",
        "sudo pyvirt domain create db2 --network lab --disk db.img --address 10.7.0.5",
        "sudo pyvirt domain create tiny --network lab --kernel linux --initrd init.gz",
    ),
)
@click.argument("name")
@click.option(
    "--network",
    "networks",
    metavar="NETWORK",
    multiple=True,
    required=True,
    shell_complete=_complete_network,
    help="Network to connect to (repeatable).",
)
@click.option(
    "--mac", "macs", metavar="MAC", multiple=True, help="MAC on the first, second, … network."
)
@click.option(
    "--address",
    "addresses",
    metavar="IPV4",
    multiple=True,
    help="Fixed IPv4 address on the first, second, … network.",
)
@click.option(
    "--alias",
    "aliases",
    metavar="NAME",
    multiple=True,
    help="Further name that resolves (repeatable).",
)
@click.option("--disk", type=FilePath(), help="qcow2 or raw image to start from; never written to.")
@click.option(
    "--size",
    metavar="SIZE",
    type=DiskSize(),
    help="Size of the disk, e.g. 20G.  [default: the image's]",
)
@click.option("--kernel", type=FilePath(), help="Kernel to start, with or without a disk.")
@click.option("--initrd", type=FilePath(), help="Initial RAM disk for the kernel.")
@click.option(
    "--append",
    metavar="TEXT",
    multiple=True,
    callback=lambda _ctx, _param, parts: " ".join(parts) if parts else None,
    help="Kernel command line; repeat to add to it.  [default: console=ttyS0 quiet]",
)
@click.option(
    "--memory",
    metavar="SIZE",
    type=Mebibytes(32, 4 << 20),
    default="512M",
    show_default=True,
    help="Memory, e.g. 2G; a number without a unit is MiB.",
)
@click.option(
    "--cpus",
    metavar="NUMBER",
    type=commands.WholeNumber(1, 255),
    default=1,
    show_default=True,
    help="Virtual CPUs.",
)
@click.option(
    "--accel",
    type=click.Choice(["auto", "kvm", "tcg"]),
    default="auto",
    show_default=True,
    help="auto: KVM if a trial guest runs under it, else emulation.",
)
@click.option(
    "--mac-filtering/--no-mac-filtering",
    default=True,
    show_default=True,
    help="Let it send only from its own MACs and addresses; off for a guest that bridges.",
)
def create(**wish: Any) -> None:
    """Define a domain; while it runs, `ssh NAME` finds it."""
    from leasewatch.pyvirt.domains import disk  # noqa: PLC0415  # as above
    from leasewatch.pyvirt.domains.plan import DomainRequest  # noqa: PLC0415

    domain = _domains().create(DomainRequest(**wish))
    if domain.disk and not domain.kernel and not disk.may_boot(Path(domain.disk)):
        say(f"image {domain.disk} has no boot sector: the guest may not start from it")
    cards = ", ".join(f"MAC {nic.mac} on {nic.network}" for nic in domain.nics)
    macs = [nic.mac for nic in domain.nics]
    frame.print_done(f"domain {domain.name} is defined: {cards}", domain=domain.name, macs=macs)


@command.command(name="list")
@frame.output_option
def list_(output: frame.Format) -> None:
    """List all domains."""
    domains = _domains()
    names = sorted(domains.names(), key=look.natural)
    rows = []
    for name in names:
        try:
            rows.append(domains.describe(name))
        except UserError as error:  # one broken definition hides no other domain
            frame.print_error("pyvirt", error)
    if not names and output == "table":
        hint = "sudo pyvirt domain create web1 --network lab --disk IMAGE"
        frame.print_warning("pyvirt", UserError("no domains yet", hint, "not-found"))
    shown = frame.render(_shown(rows, output), _COLUMNS, output, name="name", wide=_WIDE)
    click.echo(shown, nl=False)


@command.command
@_name
@frame.output_option
def show(name: str, output: frame.Format) -> None:
    """Show everything that is known about one domain."""
    row = _domains().describe(name)
    if output == "table":
        for key, value in row.items():
            lines = value if isinstance(value, list) and value else [_word(key, value)]
            click.echo(f"{key.replace('_', ' ') + ':':<15}" + f"\n{'':15}".join(map(str, lines)))
        return
    click.echo(frame.render(_shown([row], output), tuple(row), output, name="name"), nl=False)


@command.command(needs_root=True)
@_names
def start(names: Sequence[str]) -> int:
    """Start domains; their names resolve as soon as this returns."""

    def act(name: str) -> str:
        return "is started" if _domains().start(name, say) else "was started already"

    return each("domain", names, act)


@command.command(needs_root=True)
@_names
@click.option(
    "--timeout",
    type=commands.WholeNumber(0, 86400, "seconds"),
    metavar="SECONDS",
    default=60,
    show_default=True,
    help="How long to wait for each.",
)
@click.option("--force", is_flag=True, help="Force off what is still running after the timeout.")
def shutdown(names: Sequence[str], timeout: int, force: bool) -> int:
    """Press the power button, and wait until the guest has ended.

    Several domains are handled one after another.
    """

    def act(name: str) -> str:
        try:
            _domains().shutdown(name, timeout, say, force=force)
        except KeyboardInterrupt:
            say(f"no longer waiting for {name}, which may be running: pyvirt domain show {name}")
            raise
        return "is stopped"

    return each("domain", names, act)


@command.command(needs_root=True)
@_names
def stop(names: Sequence[str]) -> int:
    """Force domains off now, like pulling the plug."""

    def act(name: str) -> str:
        _domains().stop(name)
        return "is stopped"

    return each("domain", names, act)


@command.command(needs_root=True)
@_names
@click.option("--keep-disk", is_flag=True, help="Keep the disk, and print its path.")
def delete(names: Sequence[str], *, keep_disk: bool) -> int:
    """Delete stopped domains and, without --keep-disk, their disks."""

    def act(name: str) -> str:
        kept = _domains().delete(name, keep_disk=keep_disk)
        return f"is deleted; its disk is {kept}" if kept else "is deleted"

    return each("domain", names, act)


@command.command(hidden=True, needs_root=True)
@_name
def run(name: str) -> None:
    """Run a domain in the foreground: `start` starts this, and so may a unit."""
    _domains().run(name, say)


@command.command(needs_root=True)
@_name
def console(name: str) -> None:
    """Connect to a domain's serial console; Ctrl-] leaves it."""
    if sys.stdin is None or sys.stdout is None:
        raise UserError("the console needs an open stdin and stdout", "omit <&- and >&-", "invalid")

    def joined() -> None:
        if sys.stdin.isatty():
            say(f"console of {name}: Ctrl-] leaves, Enter wakes it")

    left = _domains().console(name, sys.stdin.fileno(), sys.stdout.fileno(), joined)
    if sys.stdin.isatty():
        # The guest's line is not ended, and a PC's firmware switches line wrap off.
        click.echo("\x1b[?7h", err=True)
    if not left:
        say(f"{name} has ended")


def _word(key: str, value: object) -> object:
    """As a person writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):  # when it was started
        return look.moment(value)
    if key == "memory":
        return f"{value} MiB"
    return "-" if value in (None, "", []) else value


def _shown(rows: list[dict[str, object]], output: frame.Format) -> list[Mapping[str, object]]:
    """The rows with each list in one cell; JSON keeps the lists."""
    if output == "json":
        return list(rows)
    cell = _first if output == "table" else ",".join
    return [
        {key: cell(value) if isinstance(value, list) else value for key, value in row.items()}
        for row in rows
    ]


def _first(values: list[str]) -> str:
    """The first value, and how many more `show` and the other formats have."""
    more = f" (and {len(values) - 1} more)" if len(values) > 1 else ""
    return "".join(values[:1]) + more
