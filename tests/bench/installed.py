"""The checkout as README installs it: a wheel in a virtual environment of its own.

An editable install costs each command 16 ms more.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_BIN = "PYVIRT_BENCH_BIN"
"""The environment variable that takes the folder into the world."""


def install(checkout: Path) -> None:
    """Build and install, outside the world, where pip reaches its index; takes about 10 s."""
    folder = checkout / ".cache/bench"
    wheels = folder / "wheels"
    python = folder / "bin/python"
    shutil.rmtree(wheels, ignore_errors=True)
    if not python.exists():
        _run("-m", "venv", "--without-pip", str(folder))
    _pip("wheel", "--no-build-isolation", "--no-deps", "-w", str(wheels), str(checkout))
    (wheel,) = map(str, wheels.iterdir())
    target = ("--python", str(python), "install")
    _pip(*target, wheel)  # what it needs, the first time
    _pip(*target, "--force-reinstall", "--no-deps", wheel)
    os.environ[_BIN] = str(folder / "bin")


def use() -> None:
    """Inside the world: every program that starts from now on finds the installed commands.

    Without `install`, programs find those of .venv.
    """
    if _BIN in os.environ:
        os.environ["PATH"] = f"{os.environ[_BIN]}:{os.environ['PATH']}"


def _pip(*words: str) -> None:
    _run("-m", "pip", "--quiet", "--disable-pip-version-check", *words)


def _run(*words: str) -> None:
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
