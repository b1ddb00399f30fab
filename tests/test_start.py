"""A command starts quickly because it loads little: what each start must not import.

Times are the bench's; this says which import would spoil them.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    *("asyncio", "importlib.metadata", "logging", "qemu", "subprocess"),
    "watchdog",
}
NOT_BARE = HEAVY | {"_cffi_backend", "csv", "hashlib", "json", "msgspec", "socket", "tempfile"}
OFFLINE = {"leasewatch.api.offline", "leasewatch.api.offline_history"}
QUERY = HEAVY | OFFLINE | {"_cffi_backend", "csv", "tempfile", "tomllib"}


@pytest.mark.parametrize(
    ("imports", "unwanted"),
    [
        ("leasewatch.cli.leasewatch", NOT_BARE),
        ("leasewatch.pyvirt.cli.pyvirt", NOT_BARE),
        ("nss_pyvirt.installer.cli", NOT_BARE),
        ("leasewatch.cli.leasewatch, leasewatch.cli.ip", QUERY),
        ("leasewatch.cli.leasewatch, leasewatch.cli.list_leases", QUERY),
    ],
)
def test_a_start_loads_nothing_that_it_does_not_need(imports: str, unwanted: set[str]) -> None:
    code = f"import {imports}, sys; print(*sorted(sys.modules))"
    # -S: what .pth files of the environment import is not ours.
    paths = f"import sys; sys.path[:] = {sys.path!r}; "
    done = subprocess.run(
        [sys.executable, "-S", "-c", paths + code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "click" in loaded
    assert not loaded & unwanted
