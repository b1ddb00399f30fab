"""Ask the service. If there is none, warn of that on stderr and read the files directly.

`entries` and `answer` start quickly: they import msgspec and the checks of replies only where the
service gives no answer, or one that they do not understand.
"""

from __future__ import annotations

import time

from leasewatch.api import exchange
from leasewatch.api.exchange import NoServiceError
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import frame, show
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final, TypeVar

    from leasewatch.api.interface import Entry, ResolveReply
    from leasewatch.history.rows import Event, HistoryParameters, Holding

    _T = TypeVar("_T")

_HURRY: Final = 1.0
"""Seconds that a shell which completes a word waits for the service."""
_NOT_UNDERSTOOD: Final = (
    AttributeError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)


def complete_name(paths: Paths, _given: object) -> list[str]:
    """Shell completion: the names of all leases and running domains."""
    return _field(paths, "name")


def complete_network(paths: Paths, _given: object) -> list[str]:
    """Shell completion: the networks of all leases."""
    return _field(paths, "network")


NETWORKS: Final = Param(
    "--network",
    name="networks",
    multiple=True,
    metavar="NETWORK",
    complete=complete_network,
    help="Only leases on this network (repeatable).",
)


def _field(paths: Paths, field: str) -> list[str]:
    """The values of a field of `list`; an error without the service, or if it is slow."""
    pages = exchange.replies(paths.socket, exchange.LIST, timeout=_HURRY)
    values = {entry[field] for page in pages for entry in page["entries"]}
    return sorted((value for value in values if value), key=show.natural)


def entries(paths: Paths, shown: Callable[[dict[str, Any]], _T]) -> list[_T]:
    """What `shown` makes of each candidate for a name: the fields of `interface.Entry`.

    It is called for each as it comes, so that a long list is never in memory as a whole.
    """

    def service() -> list[_T]:
        try:
            pages = exchange.replies(paths.socket, exchange.LIST)
            return [shown(entry) for page in pages for entry in page["entries"]]
        except _NOT_UNDERSTOOD:
            import msgspec  # noqa: PLC0415  start-up time

            from leasewatch.api import client  # noqa: PLC0415  start-up time

            listed = client.list_entries(paths.varlink)  # says what is wrong
            return [shown(msgspec.structs.asdict(entry)) for entry in listed.entries]

    def look() -> list[_T]:
        import msgspec  # noqa: PLC0415  start-up time

        from leasewatch.api import offline  # noqa: PLC0415  needed only without the service

        found = offline.list_entries(paths, time.time()).entries
        return [shown(msgspec.structs.asdict(entry)) for entry in found]

    return _ask(service, look)


def answer(paths: Paths, query: str) -> tuple[str, list[tuple[str, int, int]]]:
    """The name that `query` resolves to, and each address: its text, family and interface.

    Raises NoSuchNameError, as `resolve` does.
    """
    down = None
    try:
        (reply,) = exchange.replies(paths.socket, exchange.resolve(query))
        found = [(a["address"], a["family"], a["ifindex"]) for a in reply["addresses"]]
        return reply["name"], found
    except NoServiceError as error:
        down = error
    except _NOT_UNDERSTOOD:
        pass
    told = resolve(paths, query, down)
    return told.name, [(a.address, a.family, a.ifindex) for a in told.addresses]


def resolve(paths: Paths, query: str, down: NoServiceError | None = None) -> ResolveReply:
    """What a name or an address answers; raises NoSuchNameError, with a likely name as its hint.

    This host's names come first, then those of the site's other hosts. `down`: why the service
    cannot be asked.
    """
    from leasewatch.api import client  # noqa: PLC0415  start-up time

    def look() -> ResolveReply:
        from leasewatch.api import offline  # noqa: PLC0415  needed only without the service

        return offline.resolve(paths, query, time.time())

    try:
        return _ask(lambda: client.resolve(paths.varlink, query), look, down=down)
    except UserError as error:
        if found := _elsewhere(paths, query):
            return found
        if isinstance(error, client.NoSuchNameError) and not error.candidates:
            if others := _namesakes(paths, query):
                raise client.NoSuchNameError(query, others) from None
            error.hint = hint(paths, query) or error.hint
        raise


def _elsewhere(paths: Paths, query: str) -> ResolveReply | None:
    """What another host of the site has, as the NSS module answers it."""
    if not paths.peers_snapshot.exists():
        return None
    from leasewatch.api import site_names  # noqa: PLC0415  start-up time

    try:
        return site_names.resolve(paths, query, time.time())
    except UserError:  # the module ignores a damaged table, too
        return None


def _namesakes(paths: Paths, query: str) -> Sequence[Entry]:
    """Names of other hosts that do not answer alone."""
    if not paths.peers_snapshot.exists():
        return []
    from leasewatch.api import site_names  # noqa: PLC0415  start-up time

    try:
        return site_names.namesakes(paths, query)
    except UserError:
        return []


def hint(paths: Paths, unknown: str) -> str:
    """What was probably meant by a name that no host has; empty: nothing is similar."""
    from leasewatch.files import run_states  # noqa: PLC0415  start-up time
    from nss_pyvirt.terminal import hints  # noqa: PLC0415  start-up time

    defined = run_states.names(paths.domain_definitions, ".toml") or set()
    if unknown in defined:
        return f"domain {unknown} is not running: sudo pyvirt domain start {unknown}"
    meant = hints.likely(unknown, defined)
    return f"did you mean {meant}?" if meant else ""


def history(
    paths: Paths, asked: HistoryParameters, *, events: bool
) -> Sequence[Holding] | Sequence[Event]:
    """Who held which address when, or what happened."""
    from leasewatch.api import client  # noqa: PLC0415  start-up time

    def service() -> Sequence[Holding] | Sequence[Event]:
        if events:
            return client.events(paths.varlink, asked).events
        return client.history(paths.varlink, asked).holdings

    def look() -> Sequence[Holding] | Sequence[Event]:
        from leasewatch.api import offline_history  # noqa: PLC0415  needed only without the service

        if events:
            return offline_history.events(paths, asked).events
        return offline_history.history(paths, asked).holdings

    return _ask(service, look, str(paths.history))


def _ask(
    service: Callable[[], _T],
    look: Callable[[], _T],
    where: str = "the published table and the lease files",
    down: NoServiceError | None = None,
) -> _T:
    try:
        if down is not None:
            raise down
        return service()
    except NoServiceError as error:
        line = f"{error.what}; reading {where} instead"
        frame.print_warning("leasewatch", UserError(line, error.hint, error.code))
    return look()
