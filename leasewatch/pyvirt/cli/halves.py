"""What `pyvirt network` and `pyvirt domain` have in common. `kind` is one of these two words."""

from __future__ import annotations

from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import frame, show
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Final

    from leasewatch.pyvirt.domains.change import Changed as DomainChanged
    from leasewatch.pyvirt.domains.change import DomainChanges
    from leasewatch.pyvirt.networks.change import Changed as NetworkChanged
    from leasewatch.pyvirt.networks.change import NetworkChanges

SYNONYMS: Final = dict.fromkeys(("define", "new", "add"), "create")
ALIASES: Final = {
    **dict.fromkeys(("rm", "remove", "undefine"), "delete"),
    **dict.fromkeys(("info", "status"), "show"),
    "ls": "list",
}


_RESTART: Final = {
    "domain": "sudo pyvirt domain restart NAME",
    "network": "sudo pyvirt network stop NAME && sudo pyvirt network start NAME",
}


def say(sentence: str) -> None:
    """Print one line on stderr for the person who waits."""
    frame.print_note("pyvirt", sentence)


def yes(value: object) -> str:
    """A switch as a person reads it."""
    return "yes" if value else "no"


def complete(kind: str) -> Callable[[object, object], list[str]]:
    """Shell completion: the defined names."""

    def known(_obj: object, _given: object) -> list[str]:
        from leasewatch.pyvirt.defined.kept_rows import KeptRows  # noqa: PLC0415  start-up time

        return sorted(KeptRows(Paths(), kind, ()).names(), key=show.natural)

    return known


def keep_log(kind: str, name: str) -> None:
    """From now on this parent process of a domain or network writes its log."""
    from leasewatch.pyvirt import process  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.defined import store  # noqa: PLC0415

    folder = getattr(Paths(), f"{kind}_runs") / name
    if not (folder / "incoming.json").exists():  # a guest that arrives is defined once it runs
        store.check_defined(getattr(Paths(), f"{kind}_definitions"), name, kind)
    process.keep_log(folder / "log")


def complete_architectures(_obj: object, _given: object) -> list[str]:
    """The architectures that guests may have."""
    from leasewatch.pyvirt.defined import architectures  # noqa: PLC0415  start-up time

    return [*architectures.ALL]


def complete_images(_obj: object, _given: object) -> list[str]:
    """Shell completion: the names of images."""
    from leasewatch.pyvirt.images.known import KnownImages  # noqa: PLC0415  start-up time

    return [name for image in KnownImages(Paths()).known() for name in image.names]


def complete_volumes(_obj: object, _given: object) -> list[str]:
    """Shell completion: the names of volumes."""
    from leasewatch.pyvirt.volumes.volumes import Volumes  # noqa: PLC0415  start-up time

    return Volumes(Paths()).names()


def one_name(kind: str) -> Param:
    """The argument of a command on one network or domain."""
    return Param("name", required=True, complete=complete(kind))


def names(kind: str) -> Param:
    """The argument of a command on several, which calls `each`."""
    return Param("names", multiple=True, metavar="NAME...", complete=complete(kind))


def every(help: str) -> Param:  # noqa: A002  click's word
    """The option that takes the place of all names; a command with it needs `names_or_all`."""
    return Param("--all", name="every", flag=True, help=help)


def names_or_all(path: str, values: Mapping[str, Any]) -> None:
    """UserError unless a command got names or, if it has the option, --all."""
    if values["names"] and values.get("every"):
        what = "--all takes no names"
    elif not values["names"] and not values.get("every"):
        what = "NAME... is missing"
    else:
        return
    raise UserError(what, f"{path} --help", "usage", exit_code=2)


def each(
    kind: str, several: Iterable[str], act: Callable[[str], str | None], done: str = ""
) -> int:
    """Act on every name and print `KIND NAME DONE`; the exit code.

    What `act` returns takes the place of `done`. An error is printed where it happens; the exit
    code is then that of the last one.
    """

    def acted(name: str) -> None:
        frame.print_done(f"{kind} {name} {act(name) or done}", **{kind: name})

    return _attempt(several, acted)


def changes(kind: str, paths: Paths) -> DomainChanges | NetworkChanges:
    """What changes definitions of this kind."""
    if kind == "domain":
        from leasewatch.pyvirt.domains.change import DomainChanges  # noqa: PLC0415  start-up time

        return DomainChanges(paths)
    from leasewatch.pyvirt.networks.change import NetworkChanges  # noqa: PLC0415  start-up time

    return NetworkChanges(paths)


def report_change(changed: DomainChanged | NetworkChanged) -> None:
    """Print what `set` or `edit` has changed, and what waits for a restart with its command."""
    kind, name, waiting = changed.new.word, changed.new.name, list(changed.waiting)
    done = "is as asked already" if changed.old == changed.new else "is changed"
    facts: dict[str, object] = {kind: name, "restart_needed_for": waiting}
    frame.print_done(f"{kind} {name} {done}", **facts)
    if waiting:
        verb = "takes" if len(waiting) == 1 else "take"
        say(f"{' and '.join(waiting)} {verb} effect after a restart")
        frame.print_hint(_RESTART[kind].replace("NAME", name))


def list_all(
    several: Iterable[str],
    row: Callable[[str], Mapping[str, object]],
    columns: Sequence[str],
    wide: Mapping[str, int],
    output: frame.Format,
    *,
    empty: UserError,
) -> int:
    """Print the row of each name; the exit code. A broken definition hides no other.

    `empty`: what to say in place of a table without rows.
    """
    rows: list[Mapping[str, object]] = []
    code = _attempt(sorted(several, key=show.natural), lambda name: rows.append(row(name)))
    if not rows and not code and output == "table":
        frame.print_warning("pyvirt", empty)
    frame.write(frame.render(rows, columns, output, name="name", wide=wide))
    return code


def _attempt(several: Iterable[str], act: Callable[[str], None]) -> int:
    """Act on every name, and print the errors; the exit code of the last one."""
    code = 0
    for name in several:
        try:
            act(name)
        except UserError as error:
            frame.print_error("pyvirt", error)
            code = error.exit_code
    return code
