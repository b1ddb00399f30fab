"""The text of the Varlink interface, which is made from the methods and structs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest
from varlink.scanner import Interface

from leasewatch.api import interface
from leasewatch.api.description import describe, methods
from leasewatch.api.introspection import SERVICE_ERRORS, VarlinkService
from leasewatch.api.methods import ERRORS, LeaseWatch

EXPECTED = Path(__file__).with_name("org.pyvirt.LeaseWatch.varlink")
NAMES = {value for name, value in vars(interface).items() if name.isupper()}


def test_the_interface_is_what_others_rely_on() -> None:
    """A change of this text is a change for every client: add to it, but break nothing."""
    assert describe(interface.NAME, LeaseWatch, ERRORS) == EXPECTED.read_text()


@pytest.mark.parametrize(
    ("name", "described", "errors"),
    [
        (interface.NAME, LeaseWatch, ERRORS),
        (interface.SERVICE_NAME, VarlinkService, SERVICE_ERRORS),
    ],
)
def test_another_implementation_reads_it(
    name: str, described: type, errors: tuple[type[msgspec.Struct], ...]
) -> None:
    read = Interface(describe(name, described, errors))
    members = {method.name for method in methods(described)} | {e.__name__ for e in errors}
    assert read.name == name
    assert members <= set(read.members)
    if name == interface.NAME:  # which clients call
        assert {f"{name}.{member}" for member in members} <= NAMES


def values(hint: object) -> set[str]:
    """Every string of a Literal inside a type."""
    if get_origin(hint) is Literal:
        return {value for value in get_args(hint) if isinstance(value, str)}
    return {value for part in get_args(hint) for value in values(part)}


@pytest.mark.parametrize("kind", [interface.Entry, interface.SourceEntry, interface.Address])
def test_a_comment_lists_every_value_that_a_field_can_have(kind: type[msgspec.Struct]) -> None:
    for field, hint in get_type_hints(kind, include_extras=True).items():
        comment = " ".join(part for part in get_args(hint) if isinstance(part, str))
        assert all(value in comment for value in values(hint)), field
