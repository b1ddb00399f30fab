"""What the exporter changes next, and when it leaves a name alone."""

from __future__ import annotations

import pytest

from leasewatch.dns.update_names import Wanted
from leasewatch.dns.update_plan import RETRY, Change, Held, Owner, UpdatePlan, parse_texts, texts
from tests.leasewatch.dns.exporting import a_table, set_name

HERE, OTHER = Owner("hosta", "11112222"), Owner("hostb", "33334444")
FIVE = Held(HERE, ("10.77.0.5",))
SIX = Held(HERE, ("10.77.0.6",))
THEIRS = Held(OTHER, ("10.78.0.5",))


class _Case:
    """A plan, and the table that it follows."""

    def __init__(self) -> None:
        self.table = a_table()
        self.wanted = Wanted("vms.test")
        self.plan = UpdatePlan(HERE, self.wanted)

    def set(self, name: str, *found: str) -> None:
        self.plan.touch(self.wanted.change(self.table, set_name(self.table, name, *found)))

    def changes(self) -> list[Change]:
        return self.plan.next_changes(100)


def test_only_the_last_wish_for_a_name_counts() -> None:
    case = _Case()
    for last in ("10.77.0.4", "10.77.0.5", "10.77.0.6"):
        case.set("web1", last)
    assert case.changes() == [Change("web1", None, SIX)]
    case.set("web1")
    assert not case.changes()
    assert not case.plan.waiting()


def test_a_wish_that_comes_while_its_change_is_sent_is_not_lost() -> None:
    case = _Case()
    case.set("web1", *FIVE.addresses)
    sent = case.changes()
    case.set("web1", *SIX.addresses)
    case.plan.done(sent)
    assert case.changes() == [Change("web1", FIVE, SIX)]
    case.plan.done(case.changes())
    assert not case.changes()


def test_after_a_comparison_what_is_there_is_written_again_and_what_went_is_removed() -> None:
    case = _Case()
    case.set("web1", *FIVE.addresses)
    there = dict.fromkeys(("web1", "gone"), FIVE)
    case.plan.compared(there, 0.0)
    assert case.changes() == [Change("web1", FIVE, FIVE), Change("gone", FIVE, None)]
    case.plan.done(case.changes())
    assert not case.changes()


def test_a_name_of_another_host_is_never_changed_and_is_reported_once() -> None:
    case = _Case()
    case.set("web1", *FIVE.addresses)
    new = case.plan.compared({"web1": THEIRS, "web2": THEIRS}, 0.0)
    assert [(name, one.why) for name, one in new] == [
        ("web1", "belongs to host hostb (id 33334444)")
    ]
    assert not case.changes()
    assert case.plan.compared({"web1": THEIRS}, 1.0) == []
    case.set("web1", *SIX.addresses)
    assert not case.changes()


def test_a_refused_name_is_tried_again_when_it_is_free() -> None:
    case = _Case()
    case.set("web1", *FIVE.addresses)
    case.plan.compared({"web1": THEIRS}, 0.0)
    assert case.plan.to_retry(RETRY - 1, 10) == []
    assert case.plan.to_retry(RETRY, 10) == ["web1"]
    case.plan.retry(["web1"], {"web1": THEIRS}, RETRY)
    assert case.plan.to_retry(RETRY, 10) == []
    assert not case.changes()
    case.plan.retry(["web1"], {}, 2 * RETRY)
    assert case.changes() == [Change("web1", None, FIVE)]
    assert case.plan.done(case.changes()) == ["web1"]
    assert not case.plan.refused


def test_a_refused_name_that_is_wanted_no_more_is_forgotten() -> None:
    case = _Case()
    case.set("web1", *FIVE.addresses)
    case.plan.compared({"web1": THEIRS}, 0.0)
    case.set("web1")
    assert not case.changes()
    assert not case.plan.refused


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (None, "has records in the zone that leasewatch did not make"),
        (THEIRS, "belongs to host hostb (id 33334444)"),
    ],
)
def test_a_new_name_that_is_taken_is_refused(there: Held | None, why: str) -> None:
    case = _Case()
    case.set("web1", *FIVE.addresses)
    refusal = case.plan.found(case.changes()[0], there, 0.0)
    assert refusal is not None
    assert refusal.why == why
    assert not case.changes()


def test_a_change_starts_from_what_is_really_there() -> None:
    case = _Case()
    case.set("web1", *FIVE.addresses)
    assert case.plan.found(case.changes()[0], SIX, 0.0) is None
    assert case.changes() == [Change("web1", SIX, FIVE)]
    assert case.plan.found(case.changes()[0], None, 0.0) is None
    assert case.changes() == [Change("web1", None, FIVE)]


def test_a_name_that_never_is_as_it_was_read_is_left_alone_after_some_tries() -> None:
    case = _Case()
    case.set("web1", *FIVE.addresses)
    for there in (SIX, Held(HERE, FIVE.addresses + SIX.addresses), SIX):
        case.plan.found(case.changes()[0], there, 0.0)
    assert not case.changes()
    assert "web1" in case.plan.refused


def test_a_name_that_somebody_has_removed_needs_no_removal() -> None:
    case = _Case()
    case.plan.compared({"gone": FIVE}, 0.0)
    assert case.plan.found(case.changes()[0], None, 0.0) is None
    assert not case.changes()
    assert not case.plan.refused


def test_the_text_of_an_owner_is_read_back_and_nothing_else_is() -> None:
    held = Held(HERE, ("10.77.0.5", "fd00::5"))
    assert parse_texts(texts(held)) == held
    for strange in (
        (),
        (b"v=spf1 -all",),
        (b"leasewatch", b"host=a"),
        (b"leasewatch", b"id=1", b"host=a"),
        (b"leasewatch", b"host=a", b"id=1", b"10.77.0.500"),
        (b"leasewatch", b"host=\xff", b"id=1", b"\xff"),
    ):
        assert parse_texts(strange) is None


def test_the_id_says_whose_a_record_is_and_another_label_is_mended() -> None:
    case = _Case()
    case.set("web1", *FIVE.addresses)
    former = FIVE._replace(owner=Owner("former", HERE.id))
    case.plan.compared({"web1": former}, 0.0)
    assert case.changes() == [Change("web1", former, FIVE)]
