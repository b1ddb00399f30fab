"""What a QEMU is asked, once, and which ones are refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from leasewatch.pyvirt.domains import probe
from leasewatch.pyvirt.domains.machines import MACHINES
from nss_pyvirt.errors import UserError

STAND_IN = """#!/usr/bin/env -S python3 -I
import json, os, pathlib, socket, sys
pathlib.Path({asked!r}).open("a").write("asked\\n")
given = dict(part.partition("=")[::2] for part in " ".join(sys.argv).replace(" ", ",").split(","))
connected = socket.socket(fileno=int(given["fd"]))
heard, monitor = connected.makefile("r"), connected.makefile("w")
print(json.dumps({{"QMP": {{}}}}), file=monitor, flush=True)
for line in heard:
    command = json.loads(line)["id"]
    value = {answers!r}.get(command, {{}})
    print(json.dumps({{"return": value, "id": command}}), file=monitor, flush=True)
"""
COMMANDS = ["cont", "query-status", "stop", "system_powerdown"]


class StandIn:
    """A program in QEMU's place that answers what the test wants."""

    def __init__(self, folder: Path) -> None:
        self._program, self._asked = folder / "bin" / MACHINES["x86_64"].program, folder / "asked"
        self._program.parent.mkdir()
        self.memory = folder / "run/qemu.json"

    def answers(
        self, version: tuple[int, int, int], *machines: str, lacks: str = "", alias: str = "q35"
    ) -> None:
        keys = ("major", "minor", "micro")
        commands = [name for name in COMMANDS if name != lacks]
        answers = {
            "query-version": {"qemu": dict(zip(keys, version, strict=True))},
            "query-machines": [
                {"name": machines[0], "alias": alias},
                *({"name": name} for name in machines[1:]),
            ],
            "query-qmp-schema": [{"name": name, "meta-type": "command"} for name in commands],
        }
        self._program.unlink(missing_ok=True)
        self._program.write_text(STAND_IN.format(asked=str(self._asked), answers=answers))
        self._program.chmod(0o755)

    def times_asked(self) -> int:
        return len(self._asked.read_text().splitlines())


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return made


def test_a_qemu_is_asked_once_until_its_program_is_another_one(stand_in: StandIn) -> None:
    stand_in.answers((7, 2, 22), "pc-q35-7.2", "pc-q35-2.4")
    first = probe.ask_once(stand_in.memory)
    assert (first.version, first.machine) == ((7, 2, 22), "pc-q35-7.2")
    assert first.machines == ("pc-q35-7.2", "pc-q35-2.4")
    assert probe.ask_once(stand_in.memory) == first
    assert stand_in.times_asked() == 1
    stand_in.answers((11, 1, 3), "pc-q35-11.1")
    assert probe.ask_once(stand_in.memory).machine == "pc-q35-11.1"
    assert stand_in.times_asked() == 2
    stand_in.memory.write_text(json.dumps({"file": []}))
    assert probe.ask_once(stand_in.memory).machine == "pc-q35-11.1"


def test_a_machine_that_is_gone_is_named_with_what_to_type(stand_in: StandIn) -> None:
    stand_in.answers((11, 1, 3), "pc-q35-11.1", "pc-q35-5.2")
    known = probe.ask_once(stand_in.memory)
    known.check_machine("", "web1")
    known.check_machine("pc-q35-5.2", "web1")
    with pytest.raises(UserError, match=r"QEMU 11\.1\.3 has no machine pc-q35-2\.4") as error:
        known.check_machine("pc-q35-2.4", "web1")
    assert error.value.hint.endswith("sudo pyvirt domain set web1 machine=pc-q35-11.1")


@pytest.mark.parametrize(
    ("version", "lacks", "alias", "said"),
    [
        ((4, 2, 1), "", "q35", r"QEMU 4\.2\.1 is too old: pyvirt needs 5\.2 or newer"),
        ((5, 1, 9), "", "q35", r"QEMU 5\.1\.9 is too old"),
        ((6, 0, 0), "cont", "q35", r"QEMU 6\.0\.0 lacks the command cont"),
        ((7, 2, 0), "", "pc", r"QEMU 7\.2\.0 lacks the machine q35"),
    ],
)
def test_a_qemu_that_cannot_run_guests_is_refused(
    stand_in: StandIn, version: tuple[int, int, int], lacks: str, alias: str, said: str
) -> None:
    stand_in.answers(version, "pc-q35-4.2", lacks=lacks, alias=alias)
    with pytest.raises(UserError, match=said):
        probe.ask_once(stand_in.memory)
    assert not stand_in.memory.exists()


def test_a_qemu_that_ends_at_once_is_reported(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / MACHINES["x86_64"].program
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(UserError, match="ended before it had answered"):
        probe.ask_once(stand_in.memory)
    monkeypatch.setattr(probe, "_LIMIT", 0.1)
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(UserError, match=r"has not answered within 0\.1 s"):
        probe.ask_once(stand_in.memory)


def test_the_qemu_of_this_machine_answers(tmp_path: Path) -> None:
    known = probe.ask_once(tmp_path / "qemu.json")
    assert known.machine in known.machines
    assert known.machine.startswith("pc-q35-")
    assert {"events", "multifd", "postcopy-ram"} <= {*known.migration.capabilities}
