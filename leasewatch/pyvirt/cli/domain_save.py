"""`pyvirt domain save` and `restore`: options in, sentences and a progress line out."""

from __future__ import annotations

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves, secret_options
from leasewatch.pyvirt.cli.domain_states import chosen
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame, show
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

    from leasewatch.pyvirt.defined.domain import DomainDefinition
    from leasewatch.pyvirt.domains.secrets import Secrets

_NAMES = halves.names("domain")


@commands.command(
    _NAMES,
    halves.every("Act on all running domains."),
    check=halves.names_or_all,
    needs_root=True,
    epilog=frame.examples("sudo pyvirt domain save web1 && sudo pyvirt domain restore web1"),
)
def save(names: Sequence[str], *, every: bool) -> int:
    """Write the memory of guests into files and end them.

    `restore` or `start` lets them go on from there. Their names do not resolve until then. If a
    guest cannot be saved, it goes on.
    """
    from leasewatch.pyvirt.domains.saves import DomainSaves  # noqa: PLC0415  start-up time
    from nss_pyvirt.terminal.status_line import StatusLine, Transfer  # noqa: PLC0415  likewise

    saves = DomainSaves(Paths())

    def act(name: str) -> str:
        with StatusLine("pyvirt") as line:
            size = saves.save(name, Transfer(line, f"saving {name}"))
        return f"is saved ({show.size(size)})"

    return halves.each("domain", chosen(names, every=every), act)


@commands.command(
    _NAMES,
    secret_options.SECRET_FILES,
    Param("--discard", flag=True, help="Forget what was saved; the domain is stopped then."),
    check=halves.names_or_all,
    needs_root=True,
    epilog=frame.examples(
        "sudo pyvirt domain restore web1",
        "sudo pyvirt domain restore --discard web1",
    ),
)
def restore(names: Sequence[str], secret_files: Sequence[str], *, discard: bool) -> int:
    """Let saved guests go on.

    The file is removed once the guest runs, so a failure loses nothing. The guest's clock is late
    until it asks a time server.
    """
    from leasewatch.pyvirt.domains.domains import Domains  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.domains.restores import DomainRestores  # noqa: PLC0415  likewise

    given = secret_options.Given(secret_files)

    def secrets(domain: DomainDefinition) -> Secrets:
        return secret_options.of_domain(domain, given)

    def act(name: str) -> str:
        if discard:
            forgotten = DomainRestores(Paths()).discard(name)
            return "is no longer saved" if forgotten else "was not saved"
        if not Domains(Paths()).start(name, halves.say, secrets, saved=True):
            hint = f"pyvirt domain show {name}"
            raise UserError(f"domain {name} is running already", hint, "running")
        return "goes on"

    return halves.each("domain", names, act)
