"""`pyvirt domain stop`, `restart`, `pause` and `resume`: options in, sentences out."""

from __future__ import annotations

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves, secret_options
from leasewatch.pyvirt.cli.halves import say
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leasewatch.pyvirt.domains.pauses import DomainPauses
    from leasewatch.pyvirt.domains.secrets import Secrets

_NAMES, _ALL = halves.names("domain"), halves.every("Act on all running domains.")
_TIMEOUT = Param(
    "--timeout",
    kind=commands.seconds,
    metavar="TIME",
    help="How long to wait, e.g. 90s or 2m.  [default: the domain's stop-timeout]",
)
_FORCE = Param("--force", flag=True, help="Pull the plug at once, or after --timeout if given.")


@commands.command(
    _NAMES,
    _ALL,
    _TIMEOUT,
    _FORCE,
    check=halves.names_or_all,
    needs_root=True,
    epilog=frame.examples(
        "sudo pyvirt domain stop web1 db1",
        "sudo pyvirt domain stop --all --timeout 2m",
        "sudo pyvirt domain stop --force web1",
    ),
)
def stop(names: Sequence[str], *, every: bool, timeout: int | None, force: bool) -> int:
    """Press the power button, and wait until the guests have ended.

    All of them are stopped at once. A guest that goes on is left running, unless you --force it.
    """
    timeout = 0 if force and timeout is None else timeout
    return 1 if stopped(chosen(names, every=every), timeout, force=force) else 0


@commands.command(
    _NAMES,
    _ALL,
    _TIMEOUT,
    _FORCE,
    secret_options.SECRET_FILES,
    check=halves.names_or_all,
    needs_root=True,
)
def restart(
    names: Sequence[str],
    secret_files: Sequence[str],
    *,
    every: bool,
    timeout: int | None,
    force: bool,
) -> int:
    """Stop domains, and start each as soon as it has ended.

    What `set` or `edit` has changed takes effect. A domain that does not run is started. It asks
    for the passphrases of encrypted disks before it stops anything, as `start` does.
    """
    from leasewatch.pyvirt.domains.domains import Domains  # noqa: PLC0415  start-up time

    domains = Domains(Paths())

    secrets, failed = _secrets(chosen(names, every=every), secret_files)

    def start(name: str) -> str:
        domains.start(name, say, lambda _: secrets[name])
        return "is restarted"

    timeout = 0 if force and timeout is None else timeout
    return 1 if stopped([*secrets], timeout, start, force=force) or failed else 0


def _secrets(names: Sequence[str], files: Sequence[str]) -> tuple[dict[str, Secrets], bool]:
    """The passphrases of each domain, and whether one of them failed, which is reported."""
    from leasewatch.pyvirt.domains.known import KnownDomains  # noqa: PLC0415  start-up time

    known, given = KnownDomains(Paths()), secret_options.Given(files)
    found: dict[str, Secrets] = {}
    for name in dict.fromkeys(names):
        domain = None
        import contextlib  # noqa: PLC0415  start-up time

        with contextlib.suppress(UserError):  # its start reports that
            domain = known.get(name)
        try:
            asks = domain is not None and domain.may_be_encrypted
            found[name] = secret_options.of_domain(domain, given) if domain and asks else {}
        except UserError as error:
            frame.print_error("pyvirt", error)
    return found, len(found) < len({*names})


@commands.command(_NAMES, _ALL, check=halves.names_or_all, needs_root=True)
def pause(names: Sequence[str], *, every: bool) -> int:
    """Pause guests.

    They keep their memory, names and addresses, and use no processor.
    """
    pauses = _pauses()

    def act(name: str) -> str:
        return "is paused" if pauses.pause(name) else "was paused already"

    return halves.each("domain", chosen(names, every=every), act)


@commands.command(
    _NAMES,
    halves.every("Act on all paused domains."),
    Param(
        "--force",
        flag=True,
        help="Also a guest that was handed over to a host which is gone for good.",
    ),
    check=halves.names_or_all,
    needs_root=True,
)
def resume(names: Sequence[str], *, every: bool, force: bool) -> int:
    """Let paused guests go on."""
    pauses = _pauses()

    def act(name: str) -> str:
        return "goes on" if pauses.resume(name, force=force) else "was running already"

    return halves.each("domain", chosen(names, every=every, state="paused"), act)


def _pauses() -> DomainPauses:
    from leasewatch.pyvirt.domains.pauses import DomainPauses  # noqa: PLC0415  start-up time

    return DomainPauses(Paths())


def chosen(names: Sequence[str], *, every: bool, state: str = "") -> Sequence[str]:
    """The names, or those of all domains that run, or are in this state."""
    if not every:
        return names
    from leasewatch.pyvirt.domains.known import KnownDomains  # noqa: PLC0415  start-up time

    found = KnownDomains(Paths()).running(state)
    if not found:
        frame.print_done(f"no domain is {state or 'running'}")
    return found


def stopped(
    names: Sequence[str],
    timeout: int | None,
    then: Callable[[str], str] = lambda _: "is stopped",
    *,
    force: bool,
) -> list[str]:
    """Stop domains, and print what `then` says as soon as each has ended; those that failed."""
    from leasewatch.pyvirt.domains.stops import DomainStops  # noqa: PLC0415  start-up time

    failed, left = [], list(dict.fromkeys(names))
    try:
        for name, error in DomainStops(Paths()).stop(names, say, timeout=timeout, force=force):
            left.remove(name)
            try:
                if error is not None:
                    raise error
                frame.print_done(f"domain {name} {then(name)}", domain=name)
            except UserError as fault:
                frame.print_error("pyvirt", fault)
                failed.append(name)
    except KeyboardInterrupt:
        say(f"no longer waiting for {', '.join(left)}, which may be running: pyvirt domain list")
        raise
    return failed
