"""What every test may rely on, however the tests were started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TELL = """
import subprocess, sys
{first}
ask = ["sh", "-c", "ulimit -c 0; kill -{number} $$; echo deaf"]
sys.exit(subprocess.run(ask, stdout=subprocess.PIPE, text=True).stdout)
"""


@pytest.mark.parametrize("number", ["INT", "QUIT"])
@pytest.mark.parametrize(("first", "said"), [("", "deaf"), ("import tests.conftest", "")])
def test_tests_that_a_shell_starts_in_the_background_start_nothing_that_is_deaf(
    number: str, first: str, said: str
) -> None:
    """Without conftest.py it would be: so the test itself is right."""
    ask = [sys.executable, "-c", TELL.format(first=first, number=number)]
    background = ["env", "--ignore-signal=INT,QUIT", *ask]
    done = subprocess.run(
        background, cwd=HERE.parent, stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.stderr.strip() == said
