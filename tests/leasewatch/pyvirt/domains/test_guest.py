"""The parent of a QEMU, with a program in QEMU's place that says what the test wants."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt import process
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.domains import guest, qemu
from leasewatch.pyvirt.domains.machines import MACHINES
from leasewatch.pyvirt.files import DomainFiles
from nss_pyvirt.errors import UserError

CHATTY = """#!/bin/sh
yes 'qemu: virtio: zero sized buffers are not allowed' | head -c 8000000 >&2
printf '\\nqemu: no more\\n' >&2
exit 3
"""


@pytest.mark.usefixtures("sandboxed")
@pytest.mark.skipif(os.geteuid() != 0, reason="a sandbox needs root")
def test_what_qemu_prints_is_kept_to_its_end_and_fills_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / MACHINES["x86_64"].program
    program.parent.mkdir()
    program.write_text(CHATTY)
    program.chmod(0o755)
    tmp_path.chmod(0o755)  # the sandbox shows it
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    files = DomainFiles(Paths(tmp_path), "web1")
    files.run.mkdir(parents=True)
    domain = DomainDefinition(name="web1", nics=(), memory=64, cpus=1, kernel="/bin/sh")
    given = guest.Given(domain, "tcg", qemu.Devices((), ()))
    with (
        process.signals() as signals,
        pytest.raises(UserError, match="QEMU ended with exit code 3: qemu: no more"),
    ):
        guest.run(files, given, signals, lambda _: None, int, lambda: None)
    assert sum(log.stat().st_size for log in files.run.glob("qemu.log*")) <= 1 << 20
