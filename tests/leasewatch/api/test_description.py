"""The text of the Varlink interface, which is made from the methods and structs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest
from varlink.scanner import Interface

from leasewatch.api import admin_interface, dns_interface, interface
from leasewatch.api.description import describe, methods
from leasewatch.api.introspection import DNS_INTERFACES, INTERFACES, OURS

SHIPPED = Path(__file__).parents[3] / "packaging/varlink"
NAMES = {
    value
    for module in (interface, admin_interface, dns_interface)
    for name, value in vars(module).items()
    if name.isupper()
}


def test_a_file_is_shipped_for_each_interface() -> None:
    """A change of this text is a change for every client: add to it, but break nothing.

    To write the files: `python -m leasewatch.api.introspection packaging/varlink`.
    """
    shipped = {path.stem: path.read_text() for path in SHIPPED.glob("*.varlink")}
    assert shipped == {name: describe(name, *parts) for name, parts in OURS.items()}


@pytest.mark.parametrize(
    ("name", "described", "errors"),
    [(name, *parts) for name, parts in (INTERFACES | DNS_INTERFACES).items()],
)
def test_another_implementation_reads_it(
    name: str, described: type, errors: tuple[type[msgspec.Struct], ...]
) -> None:
    read = Interface(describe(name, described, errors))
    members = {method.name for method in methods(described)} | {e.__name__ for e in errors}
    assert read.name == name
    assert members <= set(read.members)
    if name in OURS:  # which clients call
        assert {f"{name}.{member}" for member in members} <= NAMES


def values(hint: object) -> set[str]:
    """Every string of a Literal inside a type."""
    if get_origin(hint) is Literal:
        return {value for value in get_args(hint) if isinstance(value, str)}
    return {value for part in get_args(hint) for value in values(part)}


KINDS = [
    *(interface.Entry, interface.SourceEntry, interface.Address),
    *(admin_interface.ClientEntry, admin_interface.LogLevel),
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_comment_lists_every_value_that_a_field_can_have(kind: type[msgspec.Struct]) -> None:
    for field, hint in get_type_hints(kind, include_extras=True).items():
        comment = " ".join(part for part in get_args(hint) if isinstance(part, str))
        assert all(value in comment for value in values(hint)), field
