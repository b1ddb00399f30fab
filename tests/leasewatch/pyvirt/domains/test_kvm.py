"""The trial of an accelerator with a real QEMU (emulated: KVM may hang where tests run)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from leasewatch.pyvirt.domains import kvm, qemu
from leasewatch.pyvirt.domains.machines import MACHINES
from nss_pyvirt.errors import UserError

pytestmark = pytest.mark.usefixtures("sandboxed")


def test_the_trial_guest_runs_through_its_whole_code_where_the_processor_works() -> None:
    assert kvm.try_acceleration("tcg", limit=60) == ""  # of a busy machine


def test_a_processor_that_does_not_get_through_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spinning = b"\xeb\xfe".ljust(len(qemu.PROBE_FIRMWARE) - 16, b"\0") + b"\xeb\xfe".ljust(
        16, b"\0"
    )
    monkeypatch.setattr(qemu, "PROBE_FIRMWARE", spinning)
    assert "after 0.5 s" in kvm.try_acceleration("tcg", limit=0.5)


def test_a_qemu_that_ends_at_once_is_found_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "bin" / MACHINES["x86_64"].program
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 4\n")
    broken.chmod(0o755)
    tmp_path.chmod(0o755)  # the sandbox shows it
    monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
    assert "exit code 4" in kvm.try_acceleration("kvm")


def test_a_missing_qemu_is_reported_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="not installed") as error:
        kvm.try_acceleration("tcg")
    assert error.value.hint == "apt install qemu-system-x86"


def test_who_wants_kvm_is_told_why_there_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device = tmp_path / "kvm"
    monkeypatch.setattr(kvm, "DEVICE", device)
    with pytest.raises(UserError, match=f"there is no {device}") as error:
        kvm.check()
    assert error.value.hint == "modprobe kvm-intel, or kvm-amd"
    device.touch(0o600)
    with pytest.raises(UserError, match="is closed to pyvirt-qemu") as error:
        kvm.check()
    assert error.value.hint == f"sudo chgrp kvm {device}; sudo chmod 0660 {device}"
    device.chmod(0o666)
    kvm.check()


def test_the_verdict_is_kept_until_the_next_boot_or_until_the_device_comes_or_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trials: list[str] = []

    def hang(kind: qemu.Chosen) -> str:
        trials.append(kind)
        return "it hung"

    monkeypatch.setattr(kvm, "try_acceleration", hang)
    monkeypatch.setattr(kvm, "DEVICE", tmp_path / "kvm")
    memory = tmp_path / "run/accel.json"

    assert "there is no" in kvm.probe(memory).why
    (tmp_path / "kvm").touch(0o600)
    assert "is closed to pyvirt-qemu: sudo chgrp kvm" in kvm.probe(tmp_path / "other.json").why
    (tmp_path / "kvm").chmod(0o666)
    first = kvm.probe(memory)
    assert (first.accel, first.why, first.fresh, trials) == ("tcg", "it hung", True, ["kvm"])
    assert not kvm.probe(memory).fresh
    assert trials == ["kvm"]

    memory.write_bytes(msgspec.json.encode(msgspec.structs.replace(first, boot="an earlier one")))
    assert kvm.probe(memory).fresh
    memory.write_text("{")
    assert kvm.probe(memory).fresh
    assert trials == ["kvm"] * 3


def test_nothing_of_a_trial_is_left_running() -> None:
    kvm.try_acceleration("tcg")
    shown = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "args="],
        capture_output=True,
        text=True,
        check=False,
    )
    assert MACHINES["x86_64"].program not in shown.stdout
