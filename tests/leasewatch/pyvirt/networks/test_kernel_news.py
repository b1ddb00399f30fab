"""Messages of nftables: which of them say that a table has lost something."""

from __future__ import annotations

import struct

import pytest

from leasewatch.pyvirt.networks.kernel_news import BRIDGE, INET, Change, Table, note

NEWTABLE, DELTABLE, NEWCHAIN, DELCHAIN, NEWRULE, DELRULE, NEWELEM, DELELEM, NEWGEN = (
    *(0, 2, 3, 5, 6, 8),
    *(12, 14, 15),
)


def said(
    *messages: tuple[int, str], family: int = INET, subsystem: int = 10
) -> dict[Table, Change]:
    found: dict[Table, Change] = {}
    for message, name in messages:
        value = name.encode() + b"\0"
        attribute = struct.pack("=HH", 4 + len(value), 1) + value
        note(found, subsystem << 8 | message, struct.pack("=BBH", family, 0, 0) + attribute)
    return found


@pytest.mark.parametrize(
    ("message", "change"), [(DELTABLE, "gone"), (DELCHAIN, "less"), (DELRULE, "less")]
)
@pytest.mark.parametrize("family", [INET, BRIDGE])
def test_what_is_deleted_is_a_loss_of_its_own_table(message: int, change: str, family: int) -> None:
    assert said((message, "a"), family=family) == {(family, "a"): change}


def test_a_rebuilt_table_lacks_nothing() -> None:
    whole = [(DELRULE, "a"), (DELTABLE, "a"), (NEWTABLE, "a"), (NEWCHAIN, "a"), (NEWRULE, "a")]
    assert said(*whole) == {(INET, "a"): "made"}
    others = said(*whole, (DELRULE, "a"), (DELTABLE, "b"))
    assert others == {(INET, "a"): "less", (INET, "b"): "gone"}


@pytest.mark.parametrize("message", [NEWCHAIN, NEWRULE, NEWELEM, DELELEM, NEWGEN])
def test_what_is_added_and_what_goes_from_a_set_is_none(message: int) -> None:
    assert said((message, "a")) == {}


def test_another_subsystem_and_what_is_cut_off_say_nothing() -> None:
    assert said((DELTABLE, "a"), subsystem=1) == {}
    found: dict[Table, Change] = {}
    note(found, 10 << 8 | DELTABLE, struct.pack("=BBH", INET, 0, 0) + b"\x20")
    assert found == {(INET, ""): "gone"}
