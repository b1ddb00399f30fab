"""Which names a guest may claim, and which a domain may have."""

from __future__ import annotations

import pytest

from leasewatch.names import labels

FINE_FOR_GUESTS = ["web1", "a", "7zip", "x" * 63, "a-b", "localhost1", "ip6", "0xg"]
FINE_FOR_OWNERS_ONLY = ["ubuntu22.04", "my_vm", "_gateway", "-x", "wpad", "ip6-host", "1.x"]
FINE_FOR_NOBODY = [
    "",
    ".",
    "a..b",
    ".a",
    "we b",
    "a/b",
    "caf\u00e9",
    "\u0130",
    "web1\n",
    "web1\0",
    "x" * 64,
    "localhost",
    "a.localhost",
    "123",
    "0x10",
    "0x",
    "10.0.0.1",
    "1.0x2",
    ".".join(["x" * 50] * 6),
    "*",
    "%s",
]


@pytest.mark.parametrize("name", FINE_FOR_GUESTS)
def test_a_plain_label_is_fine_for_a_guest_and_for_a_domain(name: str) -> None:
    assert labels.guest_fault(name) is None
    assert labels.owner_fault(name) is None


@pytest.mark.parametrize("name", FINE_FOR_OWNERS_ONLY)
def test_only_the_host_gives_dots_underscores_and_names_with_a_meaning(name: str) -> None:
    assert labels.guest_fault(name) is not None
    assert labels.owner_fault(name) is None


@pytest.mark.parametrize("name", FINE_FOR_NOBODY, ids=ascii)
def test_a_name_that_programs_would_misread_is_refused(name: str) -> None:
    assert labels.guest_fault(name) is not None
    assert labels.owner_fault(name) is not None


def test_reserved_names_are_refused_to_guests() -> None:
    assert labels.guest_fault("laptop", {"laptop"}) == "is reserved"


def test_folding_is_ascii_only_and_drops_one_final_dot() -> None:
    assert labels.fold("Web1.Lab.") == "web1.lab"
    assert labels.fold("\u0130\u212a") == "\u0130\u212a"
    assert labels.fold("a..") == "a."


def test_a_qualified_name_that_is_too_long_is_none() -> None:
    assert labels.qualified("web1", "Lab", {"Lab": "internal."}) == "web1.lab.internal"
    assert labels.qualified("x" * 63, "y" * 63, {"y" * 63: ".".join(["z" * 63] * 2)}) is None
