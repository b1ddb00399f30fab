"""What is logged of claims that fail: each once, and not as fast as a guest can make them."""

from __future__ import annotations

import re

import pytest

from leasewatch.history import claim_log
from leasewatch.history.claim_log import OF_ALL, OF_CLIENT, ClaimLog
from leasewatch.model import Claim, Verdict
from tests.leasewatch.leasing import claim, lease
from tests.leasewatch.logged import LOG


class Clock:
    """Stands in for the module `time`."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(claim_log, "time", made)
    return made


def failing(number: int, name: str, verdict: Verdict = "refused") -> Claim:
    made = lease(number, name)
    return Claim(
        name=name, trust="guest", verdict=verdict, reason="it is", network="lab",
        lease=made, mac=made.hwaddr,
    )  # fmt: skip


def test_a_claim_is_logged_once_and_only_if_it_fails(clock: Clock) -> None:
    log = ClaimLog()
    for _ in range(5):
        log.report(failing(1, "wpad"))
        log.report(failing(2, "web1", "conflict"))
        log.report(claim(lease(3), "published"))
    log.count()
    assert [line.split()[1:4] for line in LOG.getvalue().splitlines()] == [
        ["claim", "refused", "name=wpad"],
        ["claim", "conflict", "name=web1"],
    ]


def test_a_client_that_claims_250_names_in_a_second_fills_no_log_and_hides_no_other(
    clock: Clock,
) -> None:
    log = ClaimLog()
    for second in range(600):
        for number in range(250):
            log.report(failing(1, f"ip6-{second}-{number}"))
            clock.now += 1 / 250
        log.count()
    log.report(failing(2, "wpad"))
    lines = LOG.getvalue().splitlines()
    refused = [line for line in lines if "claim refused" in line]
    counted = [line for line in lines if "claims not logged" in line]
    assert len(refused) <= OF_CLIENT[0] + 600 / OF_CLIENT[1] + 2
    assert len(counted) <= 600 / claim_log.COUNT_SECONDS + 1
    assert "name=wpad" in lines[-1]
    log_bytes_a_day = len(LOG.getvalue()) * 144
    assert log_bytes_a_day < 2_000_000
    clock.now += 60
    log.count()
    counts = re.findall(r"count=(\d+)", LOG.getvalue())
    said = list(map(int, counts))
    assert sum(said) + len(refused) == 600 * 250 + 1
    assert f"{lease(1).hwaddr} on lab" in LOG.getvalue().splitlines()[-1]


def test_neither_do_very_many_clients(clock: Clock) -> None:
    log = ClaimLog()
    for number in range(20_000):
        log.report(failing(number, f"ip6-{number}"))
    log.count()
    assert len(LOG.getvalue().splitlines()) == OF_ALL[0] + 1


def test_a_claim_without_a_recorded_mac_is_its_addresses(clock: Clock) -> None:
    log = ClaimLog()
    for number in range(100):
        log.report(claim(lease(1), "refused", name=f"ip6-{number}"))
        log.report(claim(lease(2), "conflict", name="web1"))
    assert LOG.getvalue().count("claim refused") == OF_CLIENT[0]
    assert LOG.getvalue().count("claim conflict") == 1
