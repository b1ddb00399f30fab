"""Make the folder of Python packages that the Debian package leasewatch brings.

    python3 -m debs.tree FOLDER WHEELS OURS.whl

It gets our own wheel, and of the folder WHEELS those that this release of Debian does not serve.
Prints the substitution variable python3:Depends: what Debian serves, and which Python.
"""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Final

from debs.dependencies import requirements, split

_LEFT_OUT: Final = (
    "cffi/*",  # compiles; what it has compiled needs _cffi_backend alone
    "netaddr/eui/*.txt",  # who makes which MAC address: 5 MB, and nothing here asks for it
    "netaddr/eui/*.idx",
    "nss_pyvirt/lib",  # the package libnss-pyvirt has it
    "nss_pyvirt/_build_cffi.py",
    "nss_pyvirt-*.data",  # programs and man pages have places of their own
    "*.dist-info/RECORD",  # pip's list, for an uninstallation that dpkg does
    "*.dist-info/WHEEL",
    "*.dist-info/top_level.txt",
    "*.dist-info/entry_points.txt",
)
_PROGRAM: Final = re.compile(rb"\A#!.*python.*(?=\n)")
"""What marks a program. Here everything is imported."""


def make(folder: Path, wheels: Path, ours: Path) -> str:
    """Fill the folder; the value of python3:Depends."""
    served, missing = split(requirements(Path("pyproject.toml")))
    for one in missing:
        _unpack(next(wheels.glob(f"{one.name.replace('-', '_')}-*.whl")), folder)
    _unpack(ours, folder)
    for pattern in _LEFT_OUT:
        for path in list(folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in folder.rglob("*.py"):
        path.write_bytes(_PROGRAM.sub(b"", path.read_bytes(), count=1))
    next(folder.glob("nss_pyvirt-*.dist-info")).joinpath("INSTALLER").write_text("debian\n")
    return ", ".join([_python(folder), *(one.depends for one in served)])


def _unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)


def _python(folder: Path) -> str:
    """Extensions of the wheels are for the Python that builds the package, and for no other."""
    major, minor = sys.version_info[:2]
    if any(folder.rglob("*.cpython-*.so")):
        return f"python3 (>= {major}.{minor}~), python3 (<< {major}.{minor + 1})"
    return f"python3 (>= {major}.{minor}~)"


if __name__ == "__main__":
    print(f"python3:Depends={make(*map(Path, sys.argv[1:]))}")
