"""The guest of packaging/guest, as each contestant starts it: emulated (TCG), with 128 MiB."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_FILES = "PYVIRT_BENCH_GUEST"
"""The environment variable that takes the folder of the guest into the world."""
MEMORY = 128
"""MiB."""
APPEND = "console=ttyS0 quiet"


def build(checkout: Path) -> None:
    """Build it, outside the world, where apt works; nothing to do if it is built already."""
    command = [checkout / "packaging/guest"]
    built = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    os.environ[_FILES] = built.stdout.strip()


def prepare() -> None:
    """Let ssh log in to the guest without a question."""
    shutil.copy(_folder() / "ssh_config", "/etc/ssh/ssh_config.d/bench.conf")


def kernel() -> Path:
    """Its kernel."""
    return _folder() / "vmlinuz"


def initrd() -> Path:
    """Its whole system."""
    return _folder() / "initrd.gz"


def public_key() -> Path:
    """The key to log in with, for a guest that gets it by its seed."""
    return _folder() / "id_ed25519.pub"


def files() -> list[Path]:
    """Its kernel, its system, and the key to log in with."""
    return [kernel(), initrd(), _folder() / "id_ed25519"]


def _folder() -> Path:
    return Path(os.environ[_FILES])
