"""`pyvirt domain …`: options in, sentences and rows out. Decides nothing about domains."""

from __future__ import annotations

import os
import sys

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves, secret_options
from leasewatch.pyvirt.cli.halves import each, say
from leasewatch.pyvirt.domains.listing import KEYS, Listing
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal import show as look
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leasewatch.pyvirt.cli.waiting import Goal
    from leasewatch.pyvirt.domains.domains import Domains

_COLUMNS = ("name", "state", "networks", "macs", "addresses", "autostart", "why")
_WIDE = {"networks": 60, "macs": 110, "autostart": 120}
"""The least width of a terminal that shows these."""
_ORDER = (
    *("create", "list", "show", "start", "stop", "restart", "pause", "resume"),
    *("save", "restore", "console", "ssh"),
    *("stats", "set", "edit", "rename", "migrate", "autostart"),
    "delete",
)
"""Of the commands in help."""
_EXPECTED = ("the guest shut down", "it was forced off", "it was saved")
_ROWS = commands.rows(*KEYS)
_NAME, _NAMES = halves.one_name("domain"), halves.names("domain")


def _domains() -> Domains:
    from leasewatch.pyvirt.domains.domains import Domains  # noqa: PLC0415  start-up time

    return Domains(Paths())


def _listing() -> Listing:
    return Listing(Paths())


command = commands.Group(
    "Virtual machines: QEMU guests on these networks.",
    members={
        "create": "leasewatch.pyvirt.cli.domain_create",
        "set": "leasewatch.pyvirt.cli.domain_set",
        "rename": "leasewatch.pyvirt.cli.domain_rename",
        "migrate": "leasewatch.pyvirt.cli.domain_migrate",
        "receive": "leasewatch.pyvirt.cli.domain_migrate:receive",
        "edit": "leasewatch.pyvirt.cli.edit:domain",
        "autostart": "leasewatch.pyvirt.cli.autostart:domain",
        "stop": "leasewatch.pyvirt.cli.domain_states:stop",
        "restart": "leasewatch.pyvirt.cli.domain_states:restart",
        "pause": "leasewatch.pyvirt.cli.domain_states:pause",
        "resume": "leasewatch.pyvirt.cli.domain_states:resume",
        "save": "leasewatch.pyvirt.cli.domain_save:save",
        "restore": "leasewatch.pyvirt.cli.domain_save:restore",
        "ssh": "leasewatch.pyvirt.cli.ssh",
        "stats": "leasewatch.pyvirt.cli.domain_stats",
    },
    unlisted={
        "domstats": "leasewatch.pyvirt.cli.virsh:domstats",
        "perf": "leasewatch.pyvirt.cli.virsh:perf",
        "await": "leasewatch.pyvirt.cli.virsh:await_",
    },
    aliases=halves.ALIASES
    | {
        **dict.fromkeys(("shutdown", "poweroff"), "stop"),
        **dict.fromkeys(("dominfo", "domstate", "domifaddr"), "show"),
        "top": "stats",
        **dict.fromkeys(("shell", "exec"), "ssh"),
        "reboot": "restart",
        "suspend": "pause",
        "managedsave": "save",
        "managedsave-remove": "restore --discard",
        "unpause": "resume",
    },
    synonyms=halves.SYNONYMS | dict.fromkeys(("destroy", "kill"), "stop --force"),
    epilog=frame.examples(
        "sudo pyvirt domain create web1 --network lab --disk deb12.qcow2 --size 20G",
        "sudo pyvirt domain start web1 && ssh web1",
        "sudo pyvirt domain stop web1 web2",
    ),
)


@command.command(*_ROWS, name="list")
def list_(output: frame.Format) -> int:
    """List all domains. A table has their architectures where one is not this host's."""
    domains = _listing()
    columns = [*_COLUMNS]

    def row(name: str) -> Mapping[str, object]:
        described = domains.describe(name)
        if output == "table" and "arch" not in columns and described["arch"] != os.uname().machine:
            columns.insert(columns.index("state"), "arch")
        return _listed(described, output)

    hint = "sudo pyvirt launch web1"
    code = halves.list_all(
        [*domains.names(), *domains.arriving()],
        row,
        columns,
        _WIDE,
        output,
        empty=UserError("no domains yet", hint, "not-found"),
    )
    domains.keep()
    return code


@command.command(_NAME, *_ROWS)
def show(name: str, output: frame.Format) -> None:
    """Show everything that is known about one domain."""
    row = _listing().describe(name)
    if output != "table" or commands.Command.rows.columns:
        frame.write(frame.render([_shown(row, output)], tuple(row), output, name="name"))
        return
    for key, value in row.items():
        lines = value if isinstance(value, list) and value else [_word(key, value)]
        text = f"\n{'':15}".join(map(str, lines))
        frame.write(f"{key.replace('_', ' ') + ':':<15}{text}\n")


@command.command(
    _NAMES,
    halves.every("Act on all domains."),
    Param(
        "--wait",
        kind=("ssh", "address"),
        bare="ssh",
        help="Wait until ssh answers, or until there is an address.",
    ),
    Param(
        "--timeout",
        kind=commands.seconds,
        metavar="TIME",
        default="300s",
        help="How long --wait waits for each.",
    ),
    secret_options.SECRET_FILES,
    check=halves.names_or_all,
    needs_root=True,
)
def start(
    names: Sequence[str],
    wait: Goal | None,
    timeout: int,
    secret_files: Sequence[str],
    *,
    every: bool,
) -> int:
    """Start domains, or let paused and saved ones go on.

    Their names resolve as soon as this returns. It asks for the passphrases of encrypted disks,
    unless --secret-file or the domain's secret-file has them.
    """
    names = sorted(_listing().names(), key=look.natural) if every else names
    given = secret_options.Given(secret_files)
    if len(names) > 1:
        return _start_several(names, wait, timeout, given)

    def act(name: str) -> str:
        done = "is started" if _started(name, given) else "was started already"
        if wait is not None:
            from leasewatch.pyvirt.cli import waiting  # noqa: PLC0415  start-up time

            done += f" and answers at {waiting.wait_shown(name, wait, timeout)}"
        return done

    return each("domain", names, act)


def _started(name: str, given: secret_options.Given) -> bool:
    return _domains().start(name, say, lambda domain: secret_options.of_domain(domain, given))


def _start_several(
    names: Sequence[str], goal: Goal | None, timeout: int, given: secret_options.Given
) -> int:
    """Start domains at once, then wait for those that have started; the exit code."""
    import time  # noqa: PLC0415  start-up time

    from leasewatch.pyvirt.cli import at_once  # noqa: PLC0415  start-up time

    begun = time.monotonic()

    def start_one(name: str) -> None:
        _started(name, given)

    here = _asking(names, given)
    codes = {}
    for name in here:
        codes[name] = each("domain", [name], start_one, "is started")
    codes |= at_once.start("domain", [name for name in names if name not in here])
    failed = max(codes.values())
    if goal is None:
        return failed
    from leasewatch.pyvirt.cli import waiting  # noqa: PLC0415  start-up time

    def act(name: str) -> str:
        return f"answers at {waiting.wait_shown(name, goal, timeout, begun)}"

    return each("domain", [name for name in codes if not codes[name]], act) or failed


def _asking(names: Sequence[str], given: secret_options.Given) -> list[str]:
    """The domains that need a passphrase from this terminal or its options: one at a time."""
    found = []
    for name in names:
        import contextlib  # noqa: PLC0415  start-up time

        with contextlib.suppress(UserError):  # which its start reports
            domain = _domains().get(name)
            if domain.may_be_encrypted and (given or not domain.secret_file):
                found.append(name)
    return found


@command.command(
    _NAMES,
    Param("--keep-disk", flag=True, help="Keep the disk, and print its path."),
    check=halves.names_or_all,
    needs_root=True,
)
def delete(names: Sequence[str], *, keep_disk: bool) -> int:
    """Delete stopped domains and, without --keep-disk, their disks."""

    def act(name: str) -> str:
        kept = _domains().delete(name, keep_disk=keep_disk)
        where = " and ".join(map(str, kept))
        return f"is deleted; its disk is {where}" if kept else "is deleted"

    return each("domain", names, act)


@command.command(_NAME, hidden=True, needs_root=True)
def run(name: str) -> None:
    """Run a domain in the foreground, as its unit does."""
    halves.keep_log("domain", name)
    _domains().run(name, say)


@command.command(_NAME, needs_root=True)
def console(name: str) -> None:
    """Connect to a domain's serial console; Ctrl-] leaves it."""
    if sys.stdin is None or sys.stdout is None:
        raise UserError("the console needs an open stdin and stdout", "omit <&- and >&-", "invalid")

    def joined() -> None:
        if sys.stdin.isatty():
            say(f"console of {name}: Ctrl-] leaves, Enter wakes it")

    left = _domains().console(name, sys.stdin.fileno(), sys.stdout.fileno(), joined)
    if sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty():
        # The guest's line is not ended, and a PC's firmware switches line wrap off.
        frame.write("\x1b[?7h\n", err=True)
    if not left:
        say(f"{name} has ended")


def _word(key: str, value: object) -> object:
    """As a person writes it."""
    if isinstance(value, bool):
        return halves.yes(value)
    if isinstance(value, float):  # when it was started or came into its state
        return look.moment(value)
    if key == "memory":
        return f"{value} MiB"
    if key == "stop_timeout":
        return f"{value} s"
    return "-" if value in (None, "", []) else value


def _listed(row: dict[str, object], output: frame.Format) -> Mapping[str, object]:
    """The row of a list. Its table leaves out why a domain is stopped that ended as it should."""
    shown = _shown(row, output)
    return {**shown, "why": ""} if output == "table" and row["why"] in _EXPECTED else shown


def _shown(row: dict[str, object], output: frame.Format) -> Mapping[str, object]:
    """The row with each list in one cell, and `yes` for True; JSON keeps the lists."""
    if output == "json":
        return row
    cell = _first if output == "table" else ",".join
    return {
        key: cell(v) if isinstance(v, list) else halves.yes(v) if isinstance(v, bool) else v
        for key, v in row.items()
    }


def _first(values: list[str]) -> str:
    """The first value, and how many more `show` and the other formats have."""
    more = f" (and {len(values) - 1} more)" if len(values) > 1 else ""
    return "".join(values[:1]) + more


command.members = {name: command.members[name] for name in (*_ORDER, *command.members)}
