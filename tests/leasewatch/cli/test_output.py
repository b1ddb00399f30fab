"""What the commands say where their output cannot be written, as a shell would have it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LEASEWATCH = """
import pathlib, sys
from leasewatch.cli.leasewatch import main
from leasewatch.paths import Paths
sys.exit(main(sys.argv[2:], Paths(root=pathlib.Path(sys.argv[1]))))
"""
PYVIRT = (
    "import sys; from leasewatch.pyvirt.cli.pyvirt import main; del sys.argv[1]; sys.exit(main())"
)
NSS_PYVIRT = (
    "import sys; from nss_pyvirt.installer.cli import main; del sys.argv[1]; sys.exit(main())"
)


def run(root: Path, into: str, code: str, *argv: str) -> tuple[int, str]:
    """The exit code and what is on stderr."""
    command = ["sh", "-c", f'"$@" {into}', "sh", sys.executable, "-c", code, str(root), *argv]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("code", "prog", "argv"),
    [
        (LEASEWATCH, "leasewatch", ["list", "-o", "csv"]),
        (LEASEWATCH, "leasewatch", ["--help"]),
        (PYVIRT, "pyvirt", ["domain", "list", "--help"]),
        (NSS_PYVIRT, "nss-pyvirt", ["--version"]),
    ],
    ids=["CSV", "help", "pyvirt's help", "a version"],
)
def test_a_full_disk_is_one_line(tmp_path: Path, code: str, prog: str, argv: list[str]) -> None:
    exit_code, said = run(tmp_path, ">/dev/full", code, *argv)
    assert exit_code == 1
    assert said.splitlines()[-1] == f"{prog}: cannot write: No space left on device"
    assert "Traceback" not in said


@pytest.mark.parametrize("argv", [["list"], ["list", "-o", "json"], ["--help"]])
def test_a_closed_output_gets_no_error(tmp_path: Path, argv: list[str]) -> None:
    exit_code, said = run(tmp_path, ">&-", LEASEWATCH, *argv)
    assert (exit_code, "Traceback" in said) == (0, False)
