"""The module as glibc uses it: a test build, asked by a process with its own `hosts:` line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from nss_pyvirt import snapshot
from tests.csrc.building import CSRC, MODULE_SOURCES, compile_c
from tests.csrc.contract import HOSTS

PROLOGUE = """
import ctypes, json, os, socket, sys
libc = ctypes.CDLL(None)
assert libc.__nss_configure_lookup(b"hosts", os.environ["HOSTS_LINE"].encode()) == 0

def gai(name, family=0, flags=0):
    try:
        found = socket.getaddrinfo(name, 22, family, socket.SOCK_STREAM, 0, flags)
    except socket.gaierror as error:
        return error.errno
    return sorted([row[4][0].partition('%')[0], *row[4][3:]] for row in found), found[0][3]

def show(value):
    print(json.dumps(value))
"""


def build(folder: Path) -> Path:
    """Put a test build of the module into the folder, and a table beside it."""
    options = ("cc", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-DPYVIRT_TEST")
    script = f"-Wl,--version-script={CSRC / 'nss_pyvirt.map'}"
    compile_c(folder / "libnss_pyvirt.so.2", options, script, *MODULE_SOURCES)
    table = folder / "hosts.v1"
    table.write_bytes(snapshot.encode(HOSTS, generation=1, published=1))
    table.chmod(0o644)
    return folder


def ask(folder: Path, code: str, line: str = "pyvirt", path: Path | None = None) -> object:
    """What `show` printed in a process that resolves by `line`."""
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + code],
        env={
            **os.environ,
            "LD_LIBRARY_PATH": str(folder),
            "PYVIRT_SNAPSHOT": str(path or folder / "hosts.v1"),
            "HOSTS_LINE": line,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
