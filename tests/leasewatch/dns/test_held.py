"""Questions for a domain that has just started."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import dns.message
import dns.rcode
import pytest

from leasewatch.dns import held
from tests.in_loop import in_loop
from tests.leasewatch.dns.naming import HOST, Asked, record, table

Later = asyncio.Future[Iterable[bytes]]


def pending() -> Asked:
    asked = Asked(table())
    wanted = record("new", "new.lab.internal", pending=int(asked.now) + 20)
    asked.set("new", wanted)
    return asked


def ask(asked: Asked, name: str = "new", rdtype: str = "A") -> Later:
    later = asked.responder.respond(dns.message.make_query(name, rdtype).to_wire(), HOST)
    assert isinstance(later, asyncio.Future)
    return later


def answer(reply: Iterable[bytes]) -> str:
    (wire,) = reply
    message = dns.message.from_wire(wire)
    return str(message.answer[0][0]) if message.answer else dns.rcode.to_text(message.rcode())


@in_loop
async def test_a_pending_name_is_answered_once_it_has_an_address() -> None:
    asked = pending()
    laters = [ask(asked), ask(asked), ask(asked, "new.lab.internal")]
    asked.set("web1")
    assert not any(later.done() for later in laters)
    asked.set("new", record("new", "new.lab.internal", at={"10.77.0.40": "lab"}))
    assert [answer(await later) for later in laters] == ["10.77.0.40"] * 3
    assert not len(asked.responder._held)


@in_loop
async def test_a_pending_name_without_an_address_is_a_failure_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held, "SECONDS", 0.01)
    asked = pending()
    assert answer(await ask(asked)) == "SERVFAIL"
    assert asked.responder._prepared == {}
    assert not len(asked.responder._held)


def test_a_name_with_an_address_of_the_other_family_is_not_held() -> None:
    """Programs ask for both, and would wait for the second though they have the first."""
    asked = pending()
    half = record("new", at={"fd00:77::9": "lab"}, pending=int(asked.now) + 20)
    asked.set("new", half)
    assert asked.find("new", "A") == "NODATA"
    assert asked.find("new", "AAAA") == ["fd00:77::9"]


def test_only_the_awaited_family_is_held() -> None:
    asked = pending()
    assert asked.find("new", "AAAA") == "NODATA"
    assert asked.find("new", "TXT") == "NODATA"
    asked.now += 30
    assert asked.find("new", "A") == "REFUSED"


@in_loop
async def test_too_many_questions_fail_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "MOST", 2)
    asked = pending()
    laters = [ask(asked) for _ in range(3)]
    assert answer(await laters[2]) == "SERVFAIL"
    assert not laters[0].done()
    asked.responder.stop()
    await asyncio.wait(laters, timeout=20)
    assert [later.cancelled() for later in laters] == [True, True, False]
