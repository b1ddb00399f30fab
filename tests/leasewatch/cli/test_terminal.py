"""`leasewatch list` as a person sees it: on a terminal of so many columns."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

import pytest

from leasewatch.paths import Paths

LEASES = """\
{later} 52:54:00:00:00:07 10.77.0.7 {name} *
{later} 52:54:00:00:00:08 10.77.0.8 wpad *
{later} 52:54:00:00:00:09 10.77.0.9 * *
duid 00:03:00:01:52:54:00:00:00:ff
{later} 1 fd12:3456:789a:0:5054:ff:fe00:7 {name} 00:03:00:01:52:54:00:00:00:07
"""
SETTINGS = """
[[source]]
path = "{}"
network = "lab"
"""
LIST = """
import sys
from pathlib import Path
from leasewatch.cli.leasewatch import main
from leasewatch.paths import Paths
sys.exit(main(["list"], Paths(root=Path(sys.argv[1]))))
"""


def shown(root: Path, columns: int, name: str) -> list[str]:
    """The lines that `leasewatch list` writes on a terminal of this width."""
    paths = Paths(root=root)
    leases = root / "lab.leases"
    later = int(time.time()) + 7 * 86400 + 1800
    leases.write_text(LEASES.format(name=name, later=later))
    paths.config.parent.mkdir(parents=True, exist_ok=True)
    paths.config.write_text(SETTINGS.format(leases))
    terminal, inside = pty.openpty()
    termios.tcsetwinsize(inside, (24, columns))
    with os.fdopen(terminal, "rb", buffering=0) as reader:
        with os.fdopen(inside, "wb", buffering=0) as stdout:
            done = subprocess.run(
                [sys.executable, "-c", LIST, str(root)],
                stdout=stdout,
                stderr=subprocess.PIPE,
                env={key: value for key, value in os.environ.items() if key != "COLUMNS"},
                check=False,
                timeout=60,
            )
        assert done.returncode == 0, done.stderr
        written = b""
        with suppress(OSError):  # EIO: nobody has the terminal open any more
            while part := reader.read(4096):
                written += part
    return written.decode().split("\r\n")[:-1]


@pytest.mark.parametrize(
    ("columns", "name", "head"),
    [
        (132, "printer", "NAME NETWORK ADDRESS MAC FROM EXPIRES TRUST STATE"),
        (100, "printer", "NAME NETWORK ADDRESS MAC EXPIRES STATE"),
        (80, "printer", "NAME NETWORK ADDRESS EXPIRES STATE"),
        (80, "a-printer-in-the-lab", "NAME NETWORK ADDRESS EXPIRES STATE"),
    ],
)
def test_a_terminal_gets_the_columns_of_its_width_and_each_row_begins_with_its_name(
    tmp_path: Path, columns: int, name: str, head: str
) -> None:
    first, *lines = shown(tmp_path, columns, name)
    assert first.split() == head.split()
    assert max(map(len, [first, *lines])) <= columns
    rows = [line for line in lines if not line.startswith(" ")]
    assert sorted(line.split()[0] for line in rows) == sorted([name, name, "wpad", "-"])
    joined = " ".join(line.strip() for line in lines)
    assert "refused: it is not in the published table" in joined


def test_a_terminal_too_narrow_for_anything_still_gets_every_word(tmp_path: Path) -> None:
    words = " ".join(shown(tmp_path, 20, "printer")).split()
    assert {"printer", "10.77.0.7", "fd12:3456:789a:0:5054:ff:fe00:7", "refused:"} <= set(words)
