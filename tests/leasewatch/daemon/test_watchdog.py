"""When systemd's watchdog hears that the service is alive, and when not."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path

import pytest

from leasewatch.daemon.watchdog import LONGEST, Pulse, Watchdog, limit
from nss_pyvirt.installer import pieces


def test_a_loop_that_turns_or_works_is_alive_and_one_that_hangs_is_not() -> None:
    pulse = Pulse()
    pulse.turns += 1
    assert pulse.is_alive(10)
    assert not pulse.is_alive(10)  # hangs
    assert pulse.is_alive(10.5)  # works
    assert not pulse.is_alive(10.5)
    pulse.turns += 1
    assert pulse.is_alive(10.5)  # waits, and turns


def test_a_loop_that_works_without_an_end_is_not_alive() -> None:
    pulse = Pulse()
    pulse.turns += 1
    assert pulse.is_alive(1)
    assert pulse.is_alive(LONGEST)
    assert not pulse.is_alive(LONGEST + 1)


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("", "", 0),
        ("15000000", "", 15),
        ("15000000", "own", 15),
        ("15000000", "1", 0),
        ("x", "", 0),
    ],
)
def test_the_limit_is_that_of_systemd_for_this_process(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str, seconds: float
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)
    assert limit() == seconds


@pytest.mark.parametrize("unit", [pieces.UNIT, pieces.DNS])
def test_a_hung_service_is_killed_before_systemd_resolved_gives_up_after_30_s(unit: str) -> None:
    lines = pieces.packaged(unit).decode().splitlines()
    assert "WatchdogSec=15s" in lines
    assert "Restart=on-failure" in lines


def test_a_busy_loop_is_reported_and_one_that_sleeps_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    monkeypatch.delenv("PYVIRT_NOTIFY_FD", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)

    async def work(manager: socket.socket) -> None:
        watchdog = Watchdog()
        watchdog.start()
        try:
            end = time.monotonic() + 20
            for _ in range(5):
                while not said(manager):  # the loop does not turn
                    assert time.monotonic() < end
            time.sleep(0.5)  # noqa: ASYNC251  it hangs
            said(manager)
            time.sleep(0.5)  # noqa: ASYNC251
            assert not said(manager)
            while not said(manager):
                assert time.monotonic() < end
                await asyncio.sleep(0.01)
        finally:
            watchdog.stop()

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        asyncio.run(work(manager))


def said(manager: socket.socket) -> int:
    """How often WATCHDOG=1 has come since the last call."""
    count = 0
    while True:
        try:
            assert manager.recv(64, socket.MSG_DONTWAIT) == b"WATCHDOG=1"
        except BlockingIOError:
            return count
        count += 1
