"""A process that holds a lock, for tests of what others do meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leasewatch.files import locks

HOLD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from leasewatch.files import locks
held = locks.ProcessLock(Path(sys.argv[1]))
held.acquire()
print("held", flush=True)
sys.stdin.readline()
held.release()
print("released", flush=True)
sys.stdin.readline()
"""


@contextmanager
def holding(lock: Path) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", HOLD, str(lock), str(Path(locks.__file__).parents[2])]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()
