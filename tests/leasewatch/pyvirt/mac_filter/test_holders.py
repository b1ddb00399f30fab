"""Who holds an address, read from a lease file that is rewritten while it is read."""

from __future__ import annotations

import random

import pytest

from leasewatch.pyvirt.mac_filter import holders
from leasewatch.pyvirt.mac_filter.holders import Leases

ONE, TWO, THREE = (f"52:54:00:00:00:0{i}" for i in (1, 2, 3))


def line(number: int, mac: str, expires: int = 1_900_000_000, name: str = "*") -> str:
    return f"{expires} {mac} 10.77.0.{number} {name} 01:{mac}\n"


def pairs(leases: Leases) -> set[tuple[str, str]]:
    return set(leases.macs.items())


def read(leases: Leases, *lines: str) -> set[str]:
    return leases.read("".join(lines).encode())


def test_a_lease_counts_at_once_and_a_missing_one_until_the_file_stands_still() -> None:
    leases = Leases()
    assert read(leases, line(5, ONE), line(6, TWO)) == {"10.77.0.5", "10.77.0.6"}
    assert read(leases, line(5, ONE)) == set()
    assert pairs(leases) == {("10.77.0.5", ONE), ("10.77.0.6", TWO)}
    assert leases.settle() == {"10.77.0.6"}
    assert pairs(leases) == {("10.77.0.5", ONE)}
    assert leases.settle() == set()


@pytest.mark.parametrize("torn", ["", line(5, ONE), line(5, ONE) + "1900000000 52:54"])
def test_a_file_that_is_cut_takes_nothing_back(torn: str) -> None:
    leases = Leases()
    whole = line(5, ONE), line(6, TWO)
    read(leases, *whole)
    read(leases, torn)
    assert pairs(leases) == {("10.77.0.5", ONE), ("10.77.0.6", TWO)}
    read(leases, *whole)
    assert pairs(leases) == {("10.77.0.5", ONE), ("10.77.0.6", TWO)}
    assert leases.settle() == set()
    assert leases.settle() == set()


def test_a_renewal_changes_nothing() -> None:
    leases = Leases()
    read(leases, line(5, ONE, 1))
    read(leases, line(5, ONE, 2, "web1"))
    assert pairs(leases) == {("10.77.0.5", ONE)}
    assert leases.settle() == set()


def test_an_address_that_another_leases_is_its_own_no_more() -> None:
    leases = Leases()
    read(leases, line(5, ONE))
    assert read(leases, line(5, TWO)) == {"10.77.0.5"}
    assert pairs(leases) == {("10.77.0.5", TWO)}


def test_a_card_that_leases_another_address_leaves_its_former_one() -> None:
    leases = Leases()
    read(leases, line(5, ONE), line(7, THREE))
    assert read(leases, line(6, ONE), line(7, THREE)) == {"10.77.0.5", "10.77.0.6"}
    assert pairs(leases) == {("10.77.0.6", ONE), ("10.77.0.7", THREE)}


@pytest.mark.parametrize(
    "other",
    [
        "duid 00:01:00:01:2a\n",
        "1900000000 3 fd77::1e68 * 00:03\n",
        "1900000000 06-52:54:00:00:00:01 10.77.0.5 * *\n",
        "1900000000 52:54:00:00:00:01 10.77.0.5 *\n",
        "never 52:54:00:00:00:01 10.77.0.5 * *\n",
        "\x00\xff\n",
        "\n",
    ],
)
def test_what_is_no_ipv4_lease_is_passed_over(other: str) -> None:
    leases = Leases()
    assert leases.read(other.encode("latin-1") + line(6, TWO).encode()) == {"10.77.0.6"}
    assert pairs(leases) == {("10.77.0.6", TWO)}


def test_a_lease_without_an_end_is_one() -> None:
    leases = Leases()
    assert read(leases, line(5, ONE, 0)) == {"10.77.0.5"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{ONE},10.77.0.5,web1\n", [("10.77.0.5", ONE)]),
        (f"{ONE},10.77.0.5\n{TWO},web1\n", [("10.77.0.5", ONE)]),
        (f"{ONE},web1\n", []),
        ("", []),
    ],
)
def test_dnsmasq_gets_each_reservation(text: str, found: list[tuple[str, str]]) -> None:
    assert holders.reserved(text) == found


def test_sets_are_changed_by_what_differs() -> None:
    old = {"10.77.0.5": frozenset({ONE}), "10.77.0.6": frozenset({TWO})}
    new = {"10.77.0.5": frozenset({THREE}), "10.77.0.7": frozenset[str]()}
    assert holders.difference("lab", old, new).splitlines() == [
        f"delete element bridge pyvirt_lab holders {{ 10.77.0.5 . {ONE}, 10.77.0.6 . {TWO} }}",
        "delete element bridge pyvirt_lab held { 10.77.0.6 }",
        "add element bridge pyvirt_lab held { 10.77.0.7 }",
        f"add element bridge pyvirt_lab holders {{ 10.77.0.5 . {THREE} }}",
    ]
    assert holders.difference("lab", new, new) == ""


def test_settled_leases_are_those_of_the_file_after_any_change() -> None:
    dice = random.Random(5)
    leases = Leases()
    content: list[str] = []
    for turn in range(400):
        content = [one for one in content if dice.random() > 0.1]
        macs = {one.split()[1] for one in content}
        taken = {one.split()[2] for one in content}
        number, mac = dice.randrange(2, 40), f"52:54:00:00:00:{dice.randrange(64):02x}"
        if mac not in macs and f"10.77.0.{number}" not in taken:
            content.insert(dice.randint(0, len(content)), line(number, mac, turn))
        if dice.random() < 0.1:
            content.reverse()
        cut = "".join(content)[: dice.randrange(2000)]
        if dice.random() < 0.3:
            leases.read(cut.encode())
        read(leases, *content)
        there = {(one.split()[2], one.split()[1]) for one in content}
        assert there <= pairs(leases)
        if dice.random() < 0.5:
            leases.settle()
            assert pairs(leases) == there
