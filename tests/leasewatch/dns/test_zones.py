"""All zones: serials are stored before they are served, whatever the disk does."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leasewatch.dns import wire
from leasewatch.dns.state import State
from leasewatch.dns.wire import Data, Name
from leasewatch.dns.zone import Head, Kept
from leasewatch.dns.zones import Zones

APEX = "hosta.vm.example.org"
HEAD = Head(("ns1.example.org",))
NOW = 1_800_000_000


def _web(last: int) -> dict[Name, list[Data]]:
    return {wire.relative("web1"): [wire.address(bytes([10, 0, 0, last]))]}


class _Clock:
    """A wall clock that can be set."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


def _zones(folder: Path, clock: _Clock, boot: str = "0" * 36) -> Zones:
    zones = Zones(State(folder, boot), clock)
    zones.add(APEX, HEAD)
    return zones


def _stored(folder: Path) -> int:
    return int((folder / f"{APEX}.serial").read_text().split()[1])


def test_a_serial_is_stored_before_followers_see_it(tmp_path: Path, clock: _Clock) -> None:
    zones = _zones(tmp_path, clock)
    seen = []
    zones.followers.append(lambda zone: seen.append((zone.serial, _stored(tmp_path))))
    for last in (1, 1, 2):
        zones.change(APEX, _web(last))
    assert seen == [(NOW, NOW), (NOW + 1, NOW + 1)]


def test_an_unchanged_zone_keeps_its_serial_over_a_restart(tmp_path: Path, clock: _Clock) -> None:
    _zones(tmp_path, clock).change(APEX, _web(1))
    clock.now += 1000
    same, other = _zones(tmp_path, clock), _zones(tmp_path, clock)
    same.change(APEX, _web(1))
    other.change(APEX, _web(2))
    assert (same[APEX].serial, other[APEX].serial) == (NOW, NOW + 1000)
    assert other[APEX].ixfr(NOW).kind == "whole"


def test_other_nameservers_are_a_new_serial_and_a_whole_transfer(
    tmp_path: Path, clock: _Clock
) -> None:
    _zones(tmp_path, clock).change(APEX, _web(1))
    zones = Zones(State(tmp_path, "0" * 36), clock)
    zones.add(APEX, HEAD._replace(nameservers=("ns2.example.org",)))
    zones.change(APEX, _web(1))
    assert (zones[APEX].serial, zones[APEX].ixfr(NOW).kind) == (NOW + 1, "whole")


def test_serials_ahead_of_the_clock_are_synced_and_outlive_a_power_failure(
    tmp_path: Path, clock: _Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk = b""
    synced = []

    def fsync(fd: int) -> None:
        nonlocal on_disk
        synced.append(fd)
        on_disk = os.pread(fd, 4096, 0)

    monkeypatch.setattr("os.fsync", fsync)
    zones = _zones(tmp_path, clock)
    zones.change(APEX, _web(1))
    assert not synced
    for n in range(600):
        clock.now += 0.01
        zones.change(APEX, _web(n % 200))
    assert len(synced) == 3
    (tmp_path / f"{APEX}.serial").write_bytes(on_disk)
    after = _zones(tmp_path, clock, boot="1" * 36)
    after.change(APEX, _web(1))
    assert NOW + 590 < zones[APEX].serial < after[APEX].serial
    synced.clear()
    clock.now += 3600
    zones.change(APEX, _web(201))
    assert (zones[APEX].serial, synced) == (int(clock.now), [])


@pytest.mark.parametrize("case", ["clock set back", "other boot", "lost disk", "broken", "empty"])
def test_a_serial_never_goes_back(
    case: str, tmp_path: Path, clock: _Clock, caplog: pytest.LogCaptureFixture
) -> None:
    _zones(tmp_path, clock).change(APEX, _web(1))
    clock.now += 10
    boot, content, file = "0" * 36, _web(1), tmp_path / f"{APEX}.serial"
    if case == "clock set back":
        clock.now, content = 1000.0, _web(2)
    elif case == "other boot":
        boot = "1" * 36
    elif case == "lost disk":
        file.unlink()
    elif case == "broken":
        file.write_bytes(file.read_bytes().replace(b"18", b"17", 1))
    else:
        os.truncate(file, 0)
    zones = _zones(tmp_path, clock, boot)
    zones.change(APEX, content)
    assert zones[APEX].serial == (NOW + 1 if case == "clock set back" else NOW + 10)
    assert _stored(tmp_path) == zones[APEX].serial
    lines = [record.getMessage().split(" file=")[0] for record in caplog.records]
    damaged = "damaged file of a serial, replacing it"
    assert lines == [damaged] * (case in {"broken", "empty"})


def test_what_cannot_be_stored_is_not_served_and_tried_again(
    tmp_path: Path, clock: _Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leasewatch.dns.zones.RETRY", 0.01)
    folder = tmp_path / "state"
    folder.symlink_to(tmp_path / "mount")  # which is not there: mkdir fails, open too

    async def run() -> None:
        zones = _zones(folder, clock)
        served = asyncio.Event()
        zones.followers.append(lambda _: served.set())
        zones.change(APEX, _web(1))
        zones.change(APEX, {wire.relative("gone"): [wire.txt("x")]})
        zones.change(APEX, {wire.relative("gone"): []})
        assert (zones[APEX].serial, served.is_set()) == (0, False)
        assert list(zones.latest(APEX, wire.relative("web1"))) == _web(1)[wire.relative("web1")]
        (tmp_path / "mount").mkdir()
        async with asyncio.timeout(20):
            await served.wait()
        assert [*zones[APEX].names()] == [wire.relative("web1")]
        zones.close()

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    lines = [record.getMessage().split(" zone=")[0] for record in caplog.records]
    assert lines == ["serial not stored, keeping the zone as it is", "serial stored again"]


def test_a_zone_without_a_serial_is_not_served(tmp_path: Path, clock: _Clock) -> None:
    zones = _zones(tmp_path, clock)
    assert zones.served(wire.absolute(APEX)) is None
    zones.change(APEX, {})
    assert zones.served(wire.absolute(APEX)) is zones[APEX]


def test_the_state_of_a_process_that_was_killed_is_what_it_served_last(tmp_path: Path) -> None:
    script = f"""
import sys
from leasewatch.dns import wire
from leasewatch.dns.state import State
from leasewatch.dns.zone import Head
from leasewatch.dns.zones import Zones
from pathlib import Path
zones = Zones(State(Path({str(tmp_path)!r})))
zones.add({APEX!r}, Head(("ns1.example.org",)))
zones.followers.append(lambda zone: print(zone.serial, flush=True))
n = 0
while True:
    n += 1
    zones.change({APEX!r}, {{wire.relative("web1"): [wire.txt(str(n))]}})
"""
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            served = [int(process.stdout.readline()) for _ in range(50)]
            process.kill()
            served += [int(line) for line in process.stdout.read().splitlines()]
        kept = State(tmp_path).load(APEX)
        assert kept is not None
        assert kept.serial in {served[-1], served[-1] + 1}


def test_a_link_in_the_state_folder_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (tmp_path / f"{APEX}.serial").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        State(tmp_path).store(APEX, Kept(1, 1), NOW)
    assert not victim.exists()
