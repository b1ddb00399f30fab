"""JSON that is read without the module json."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nss_pyvirt

INVALID = ["", "{", '["a', '{"a":1,}', '{"a" 1}', "[1,", '"\x01"', '{"a":tru}', "-", "nul"]
READ = """
import sys
sys.path.insert(0, sys.argv[1])
from nss_pyvirt import light_json
for text in sys.argv[2:]:
    try:
        print(repr(light_json.loads(text)))
    except ValueError:
        print("ValueError")
assert "json" not in sys.modules
"""


def read(*texts: str) -> list[str]:
    """What each text says to an interpreter that has not imported json."""
    argv = [sys.executable, "-S", "-c", READ, str(Path(nss_pyvirt.__file__).parents[1]), *texts]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()


def test_what_is_no_json_is_a_value_error() -> None:
    assert read(*INVALID) == ["ValueError"] * len(INVALID)


def test_json_is_what_json_says() -> None:
    value = {"a": [1, -2.5, True, None, "ü\n"], "b": {}}
    assert read(json.dumps(value)) == [repr(value)]
