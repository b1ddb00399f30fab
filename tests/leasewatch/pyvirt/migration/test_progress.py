"""What somebody reads who waits for a migration."""

from __future__ import annotations

import io
import sys

import pytest

from leasewatch.pyvirt.migration.progress import Progress, sentence
from nss_pyvirt.terminal.status_line import StatusLine

MIB = 1 << 20
MEMORY: dict[str, float] = {
    "total": 100 * MIB,
    "remaining": 20 * MIB,
    "mbps": 10 * MIB * 8 / 1e6,
    "page-size": 4096,
    "dirty-pages-rate": 512,
}
ACTIVE: dict[str, object] = {"status": "active", "expected-downtime": 21, "ram": MEMORY}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (ACTIVE, "memory 80 %, 10M/s, 20M left, 0:02, downtime 21 ms, writes 2M/s"),
        (
            {**ACTIVE, "ram": {**MEMORY, "dirty-pages-rate": 9000}, "cpu-throttle-percentage": 30},
            "memory 80 %, 10M/s, 20M left, downtime 21 ms, writes 35.2M/s, slowed by 30 %",
        ),
        (
            {**ACTIVE, "status": "postcopy-active", "ram": {**MEMORY, "dirty-pages-rate": 0}},
            "runs there, memory 80 %, 10M/s, 20M left, 0:02",
        ),
        ({"status": "setup"}, "connecting"),
        ({"status": "pre-switchover", "ram": MEMORY}, "switching over"),
        ({"status": "completed", "ram": MEMORY}, "memory is complete"),
        ({"status": "of-a-later-qemu", "ram": {}}, "of-a-later-qemu"),
        ({}, ""),
    ],
)
def test_what_qemu_answers_in_words(answer: dict[str, object], says: str) -> None:
    assert sentence(answer) == says


def test_a_pipe_gets_a_line_at_the_beginning_and_with_each_state(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with StatusLine("pyvirt") as line:
        progress = Progress(line, "web1", "kvm2")
        progress.disks(50 * MIB, 100 * MIB)
        for _ in range(3):
            progress.memory({"status": "setup"})
        for left in range(20, 0, -1):
            progress.memory({**ACTIVE, "ram": {**MEMORY, "remaining": left * MIB}})
        progress.memory({"status": "completed", "ram": MEMORY})
    assert capsys.readouterr().err.splitlines() == [
        "pyvirt: web1 to kvm2: disks: 50M of 100M, 50 %",
        "pyvirt: web1 to kvm2: connecting",
        "pyvirt: web1 to kvm2: memory 80 %, 10M/s, 20M left, 0:02, downtime 21 ms, writes 2M/s",
        "pyvirt: web1 to kvm2: memory is complete",
    ]


def test_a_terminal_has_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    with StatusLine("pyvirt") as line:
        progress = Progress(line, "web1", "kvm2")
        progress.memory({"status": "setup"})
        progress.memory(ACTIVE)
    written = terminal.getvalue()
    assert "\n" not in written
    assert "\rweb1 to kvm2: memory 80 %, " in written
    assert written.endswith("\r\x1b[K")
