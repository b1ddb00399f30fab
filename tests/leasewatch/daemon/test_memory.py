"""How many files the service may open."""

from __future__ import annotations

import resource

import pytest

from leasewatch.daemon import memory
from leasewatch.daemon.service_settings import PLACES, SHARE
from nss_pyvirt.installer import pieces

ENDLESS = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("now", "most", "then"),
    [
        (1024, 524_288, memory.FILES),
        (1024, ENDLESS, memory.FILES),
        (1024, 4096, 4096),
        (1024, 1024, 1024),
        (65_536, 524_288, 65_536),
        (ENDLESS, ENDLESS, ENDLESS),
    ],
)
def test_the_service_may_open_enough_files_if_the_system_lets_it(
    monkeypatch: pytest.MonkeyPatch, now: int, most: int, then: int
) -> None:
    limits = [(now, most)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: limits.append(wanted))
    memory.open_enough()
    assert limits[-1] == (then, most)


def test_what_the_settings_allow_fits_into_the_limit_of_the_unit() -> None:
    assert f"\nLimitNOFILE={memory.FILES}\n" in pieces.packaged(pieces.UNIT).decode()
    assert PLACES[1] + SHARE[1] < memory.FILES - 2048  # root's share, lookups that wait, files
