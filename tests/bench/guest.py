"""A real guest: from `pyvirt domain start` to the first `ssh` by name, under emulation (TCG).

What it makes ends with the world.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

from tests.bench import serving
from tests.bench.counts import Counts
from tests.bench.table import Row, Table, at_most, duration
from tests.bench.timing import BenchError, percentile, whole_process

FILES = "PYVIRT_BENCH_GUEST"
"""The environment variable that names the folder which packaging/guest built."""

_DEADLINE = 60.0
_NAME, _NETWORK = "web1", "lab"


def measure(folder: Path, counts: Counts) -> Table:
    """The table; one guest, started a few times."""
    files = Path(os.environ[FILES])
    shutil.copy(files / "ssh_config", "/etc/ssh/ssh_config.d/bench.conf")
    commands, names, logins = [], [], []
    whole_process(["pyvirt", "network", "create", _NETWORK, "--subnet", "auto"])
    whole_process(["pyvirt", "network", "start", _NETWORK])
    with serving.service():
        boot = ["--kernel", str(files / "vmlinuz"), "--initrd", str(files / "initrd.gz")]
        create = ["pyvirt", "domain", "create", _NAME, "--network", _NETWORK, "--accel", "tcg"]
        whole_process([*create, *boot])
        for _ in range(max(1, counts.processes // 5)):
            start = time.perf_counter()
            commands.append(whole_process(["pyvirt", "domain", "start", _NAME]))
            names.append(_until_done(["getent", "ahosts", _NAME], start))
            logins.append(_until_done(["ssh", "-o", "BatchMode=yes", _NAME, "true"], start))
            whole_process(["pyvirt", "domain", "stop", _NAME])
    rows = [
        Row("pyvirt domain start", measured=duration(percentile(commands, 50))),
        Row("guest start -> its name is found", measured=duration(percentile(names, 50))),
        at_most("guest start -> ssh by name (TCG)", percentile(logins, 50), 6, "s"),
    ]
    return Table("a guest", rows)


def _until_done(command: list[str], start: float) -> float:
    """Repeat a command until it succeeds; seconds since `start`."""
    while True:
        with contextlib.suppress(BenchError):
            whole_process(command, deadline=10)
            return time.perf_counter() - start
        if time.perf_counter() - start > _DEADLINE:
            raise BenchError(f"{' '.join(command)}: in vain for {_DEADLINE:g} s")
        time.sleep(0.02)
