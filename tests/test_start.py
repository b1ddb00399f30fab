"""A command starts quickly because it loads little: what each start must not import.

Times are the bench's; this says which import would spoil them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from tests.leasewatch.cli.answering import ENTRY, answering

HEAVY = {"asyncio", "click", "importlib.metadata", "logging", "qemu", "subprocess", "watchdog"}
LIGHT = HEAVY | {
    *("_cffi_backend", "collections", "contextlib", "csv", "dataclasses", "enum", "functools"),
    *("hashlib", "importlib", "inspect", "json", "msgspec", "pathlib", "re", "shutil", "socket"),
    *("tempfile", "textwrap", "tomllib", "typing"),
}
NOT_FOR_LISTS = {
    *("_cffi_backend", "csv", "ctypes", "difflib", "hashlib", "json", "netaddr", "secrets"),
    *("select", "selectors", "shlex", "shutil", "socket", "ssl", "tempfile", "urllib.request"),
}
LEASEWATCH = "from leasewatch.cli.leasewatch import main; from leasewatch.paths import Paths"


def loaded(code: str) -> set[str]:
    """The modules that are there after the code. Modules of .pth files are not ours: -S."""
    code = f"import sys; sys.path[:] = {sys.path!r}; {code}; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "module",
    ["leasewatch.cli.leasewatch", "leasewatch.pyvirt.cli.pyvirt", "nss_pyvirt.installer.cli"],
)
def test_a_start_loads_nothing_that_it_does_not_need(module: str) -> None:
    assert not loaded(f"import {module}") & LIGHT


@pytest.mark.parametrize("words", [["list"], ["list", "web1", "-o", "name"], ["ip", "-4", "web1"]])
def test_a_query_loads_nothing_that_it_does_not_need(tmp_path: Path, words: list[str]) -> None:
    with answering(Paths(tmp_path), [ENTRY]):
        found = loaded(f"{LEASEWATCH}; main({words!r}, Paths({str(tmp_path)!r}))")
    assert {"leasewatch.cli.ask", "_socket"} <= found
    assert not found & LIGHT


@pytest.mark.parametrize("half", ["network", "domain"])
def test_a_list_of_pyvirt_loads_nothing_that_it_does_not_need(half: str) -> None:
    code = f"from leasewatch.pyvirt.cli import {half}; print(*{half}._known().names())"
    found = loaded(code)
    assert f"leasewatch.pyvirt.{half}s.known" in found
    assert not found & (HEAVY | NOT_FOR_LISTS)
    rest = re.compile(r"leasewatch\.pyvirt\.(networks|domains)\.(?!known)")
    assert not [name for name in found if rest.match(name)]


@pytest.mark.parametrize("half", ["network", "domain"])
def test_a_start_or_stop_of_pyvirt_loads_nothing_that_it_does_not_need(half: str) -> None:
    found = loaded(f"from leasewatch.pyvirt.cli import {half}; {half}._{half}s()")
    assert f"leasewatch.pyvirt.{half}s.{half}s" in found
    assert not found & (HEAVY | {"dataclasses", "hashlib", "json", "netaddr", "shutil"})
