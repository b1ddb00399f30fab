"""Find the folder from which a system's glibc loads NSS modules. Reads ELF headers only."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import installation, rootfs

MODULE: Final = "libnss_pyvirt.so.2"
OLDEST: Final = "2.34"
"""The glibc whose symbols the module needs."""

_FOLDERS: Final = (
    "usr/lib/*-linux-gnu*",
    "lib/*-linux-gnu*",
    "usr/lib64",
    "lib64",
    "usr/lib",
    "lib",
)
"""Debian's multiarch folders, Fedora's and SUSE's, Arch's and 32-bit ones."""


def built_module() -> Path:
    """The module in this package; UserError if the package was not built.

    In the Debian package it is the one that libnss-pyvirt has installed.
    """
    if installation.is_deb():
        folder = module_folder(Path("/"))
        if not (folder / MODULE).exists():
            what = f"{folder / MODULE} does not exist"
            raise UserError(what, installation.repair("libnss-pyvirt"), "missing")
        return folder / MODULE
    path = Path(__file__).parents[1] / "lib" / MODULE
    if not path.exists():
        raise UserError(f"{path} is missing: the C part is not built", "pip install .", "missing")
    return path


def module_folder(root: Path) -> Path:
    """The folder of the libc.so.6 below `root` that is of our module's architecture.

    It is on the loader's built-in path. UserError without such a glibc, or if it is older than
    `OLDEST`.
    """
    wanted = _architecture(_extension() or built_module())
    for pattern in _FOLDERS:
        for folder in sorted(root.glob(pattern)):
            inside = rootfs.locate(root, f"/{folder.relative_to(root)}")
            libc = rootfs.locate(root, f"/{inside.relative_to(root)}/libc.so.6")
            if libc.is_file() and _architecture(libc) == wanted:
                _check_version(libc)
                return inside
    raise UserError(
        f"no glibc of this architecture below {root}: only glibc has NSS modules",
        "on musl (Alpine) and NixOS use `leasewatch ip` instead of the module",
        "missing",
    )


def _extension() -> Path | None:
    """The extension module of this package, which is of the same architecture."""
    path = Path(__file__).parents[1] / "_snapshot.abi3.so"
    return path if path.exists() else None


def _check_version(libc: Path) -> None:
    """A glibc names the versions of all its symbols."""
    if f"GLIBC_{OLDEST}\0".encode() not in libc.read_bytes():
        raise UserError(
            f"{libc} is older than glibc {OLDEST}",
            "use `leasewatch ip` instead of the module, or a newer system",
            "missing",
        )


def _architecture(path: Path) -> tuple[bytes, bytes]:
    """ELF class and byte order, and e_machine; elf(5)."""
    with path.open("rb") as file:
        header = file.read(20)
    if header[:4] != b"\x7fELF":
        return (b"", b"")
    return (header[4:6], header[18:20])
