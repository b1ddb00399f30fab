"""After any changes, answers are those of a server that has just started with the same table."""

from __future__ import annotations

import random

import pytest

from leasewatch.dns import answers, sorted_addresses
from tests.leasewatch.dns.naming import Asked, record, table

HEADS = ("web", "a.web", "b.a.web", "c.web", "db", "x.db")
ADDRESSES = ("10.77.0.5", "10.77.0.6", "10.81.3.4", "10.81.7.4", "fd00:77::5", "fd00:77::1:5")
QUESTIONS = (
    *(f"{head}.lab.internal" for head in (*HEADS, "a.a", "z")),
    *HEADS,
    *("5.0.77.10.in-addr.arpa", "6.0.77.10.in-addr.arpa", "3.81.10.in-addr.arpa"),
    *("7.81.10.in-addr.arpa", "8.81.10.in-addr.arpa", "0.0.0.0.0.0.0.0.0.7.7.0.0.0.0.d.f.ip6.arpa"),
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.7.0.0.0.0.d.f.ip6.arpa",
)


def change(asked: Asked, names: list[str], chance: random.Random) -> None:
    """Give each of these names other addresses, or none."""
    for name in names:
        at = chance.sample(ADDRESSES, chance.choice([0, 1, 2]))
        network = {one: "big" if one.startswith("10.81") else "lab" for one in at}
        found = record(name, f"{name}.lab.internal", at=network)
        asked.table.set(name, (found,) if at else ())
    asked.responder.changed(asked.answers.changed(names))


@pytest.mark.parametrize("many", [1, 1000])
def test_answers_after_changes_are_those_of_a_new_server(
    monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(answers, "_MANY", many)
    monkeypatch.setattr(sorted_addresses, "_MANY", many)
    chance = random.Random(13)
    asked = Asked(table())
    for _ in range(20):
        change(asked, chance.sample(HEADS, chance.choice([1, 2])), chance)
        fresh = Asked(asked.table)
        for name in QUESTIONS:
            rdtype = chance.choice(["A", "AAAA", "PTR"])
            assert asked.find(name, rdtype) == fresh.find(name, rdtype), name
    change(asked, [*HEADS], random.Random(0))
    for name in HEADS:
        asked.table.set(name, ())
    asked.answers.changed(HEADS)
    assert asked.answers._above == Asked(asked.table).answers._above
