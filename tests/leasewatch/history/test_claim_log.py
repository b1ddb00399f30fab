"""Each failed claim is logged once, but not as fast as a guest can make them."""

from __future__ import annotations

import re

from leasewatch.history.claim_log import COUNT_SECONDS, OF_ALL, OF_CLIENT, ClaimLog
from leasewatch.model import Claim, Verdict
from tests.leasewatch.leasing import claim, lease
from tests.leasewatch.logged import LOG

SECONDS = 120


def failing(number: int, name: str, verdict: Verdict = "refused") -> Claim:
    made = lease(number, name)
    return Claim(
        name=name, trust="guest", verdict=verdict, reason="it is", network="lab",
        lease=made, mac=made.hwaddr,
    )  # fmt: skip


def test_a_failed_claim_is_logged_once() -> None:
    log = ClaimLog()
    for _ in range(5):
        log.failed(failing(1, "wpad"), 0.0)
        log.failed(failing(2, "web1", "conflict"), 0.0)
    log.count(0.0)
    assert [line.split()[1:4] for line in LOG.getvalue().splitlines()] == [
        ["claim", "refused", "name=wpad"],
        ["claim", "conflict", "name=web1"],
    ]


def test_a_client_that_claims_250_names_in_a_second_fills_no_log_and_hides_no_other() -> None:
    log = ClaimLog()
    for second in range(SECONDS):
        for number in range(250):
            log.failed(failing(1, f"ip6-{second}-{number}"), second + number / 250)
        log.count(second + 1)
    log.failed(failing(2, "wpad"), SECONDS)
    lines = LOG.getvalue().splitlines()
    refused = [line for line in lines if "claim refused" in line]
    counted = [line for line in lines if "claims not logged" in line]
    assert len(refused) <= OF_CLIENT[0] + SECONDS / OF_CLIENT[1] + 2
    assert len(counted) <= SECONDS / COUNT_SECONDS + 1
    assert "name=wpad" in lines[-1]
    log_bytes_a_day = len(LOG.getvalue()) * 86400 // SECONDS
    assert log_bytes_a_day < 2_000_000
    log.count(SECONDS + 60)
    counts = re.findall(r"count=(\d+)", LOG.getvalue())
    said = list(map(int, counts))
    assert sum(said) + len(refused) == SECONDS * 250 + 1
    assert f"{lease(1).hwaddr} on lab" in LOG.getvalue().splitlines()[-1]


def test_neither_do_very_many_clients() -> None:
    log = ClaimLog()
    for number in range(20_000):
        log.failed(failing(number, f"ip6-{number}"), 0.0)
    log.count(0.0)
    assert len(LOG.getvalue().splitlines()) == OF_ALL[0] + 1


def test_a_claim_without_a_recorded_mac_is_its_addresses() -> None:
    log = ClaimLog()
    for number in range(100):
        log.failed(claim(lease(1), "refused", name=f"ip6-{number}"), 0.0)
        log.failed(claim(lease(2), "conflict", name="web1"), 0.0)
    assert LOG.getvalue().count("claim refused") == OF_CLIENT[0]
    assert LOG.getvalue().count("claim conflict") == 1
