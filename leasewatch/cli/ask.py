"""Ask the service. If there is none, warn of that on stderr and read the files directly."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import click

from leasewatch.api import client as varlink_client
from leasewatch.api.interface import (
    EventsReply,
    HistoryReply,
    ListReply,
    ResolveReply,
)
from leasewatch.history.rows import HistoryParameters
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import frame, show

_T = TypeVar("_T")


def complete_name(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Shell completion: the names of all leases and running domains."""
    return complete(ctx, "name", incomplete)


def complete(ctx: click.Context, field: str, incomplete: str) -> list[str]:
    """Shell completion: the values of a field of `list`; none without the service."""
    try:
        entries = varlink_client.list_entries((ctx.obj or Paths()).varlink).entries
    except UserError:
        return []
    found = {str(getattr(entry, field) or "") for entry in entries}
    return sorted((v for v in found if v and v.startswith(incomplete)), key=show.natural)


def list_entries(paths: Paths) -> ListReply:
    """Every candidate for a name."""

    def look() -> ListReply:
        from leasewatch.api import offline  # noqa: PLC0415  needed only without the service

        return offline.list_entries(paths, time.time())

    return _ask(lambda: varlink_client.list_entries(paths.varlink), look)


def resolve(paths: Paths, query: str) -> ResolveReply:
    """What a name or an address answers; raises NoSuchNameError, with a likely name as its hint."""

    def look() -> ResolveReply:
        from leasewatch.api import offline  # noqa: PLC0415  needed only without the service

        return offline.resolve(paths, query, time.time())

    try:
        return _ask(lambda: varlink_client.resolve(paths.varlink, query), look)
    except varlink_client.NoSuchNameError as error:
        from leasewatch.files import run_states  # noqa: PLC0415  start-up time
        from nss_pyvirt.terminal import hints  # noqa: PLC0415  start-up time

        if error.candidates:
            raise
        defined = run_states.names(paths.domain_definitions, ".toml") or set()
        if query in defined:
            error.hint = f"domain {query} is not running: sudo pyvirt domain start {query}"
        elif meant := hints.likely(query, defined):
            error.hint = f"did you mean {meant}?"
        raise


def history(paths: Paths, asked: HistoryParameters) -> HistoryReply:
    """Who held which address when."""

    def look() -> HistoryReply:
        from leasewatch.api import offline_history  # noqa: PLC0415  needed only without the service

        return offline_history.history(paths, asked)

    return _ask(lambda: varlink_client.history(paths.varlink, asked), look, str(paths.history))


def events(paths: Paths, asked: HistoryParameters) -> EventsReply:
    """What happened."""

    def look() -> EventsReply:
        from leasewatch.api import offline_history  # noqa: PLC0415  needed only without the service

        return offline_history.events(paths, asked)

    return _ask(lambda: varlink_client.events(paths.varlink, asked), look, str(paths.history))


def _ask(
    service: Callable[[], _T],
    look: Callable[[], _T],
    where: str = "the published table and the lease files",
) -> _T:
    try:
        return service()
    except varlink_client.NoServiceError as error:
        line = f"{error.what}; reading {where} instead"
        frame.print_warning("leasewatch", UserError(line, error.hint, error.code))
    return look()
