"""A Debian-like image for the installer, and what is in it."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

from nss_pyvirt.installer.pieces import System

NSSWITCH = "passwd: files\nhosts:  files dns # ours\n"
USERS = """root:x:0:0::/root:/bin/sh
leasewatch:x:990:990:a user of the image:/:/bin/false
leasewatch-dns:x:989:989:a user of the image:/:/bin/false
pyvirt-qemu:x:991:991:a user of the image:/:/bin/false
"""
GROUPS = "root:x:0:\npyvirt:x:992:\n"
PROGRAM = "/opt/pyvirt/bin/leasewatch"
LIBC = next(Path("/lib").glob("*-linux-gnu/libc.so.6"))
LIBS = f"usr/lib/{LIBC.parent.name}"


def make_image(folder: Path) -> Path:
    root = folder / "image"
    (root / LIBS).mkdir(parents=True)
    (root / "usr/lib/systemd/system").mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    (root / "etc/systemd/system").mkdir(parents=True)
    (root / "etc/nsswitch.conf").write_text(NSSWITCH)
    (root / "etc/passwd").write_text(USERS)
    (root / "etc/group").write_text(GROUPS)
    shutil.copy(LIBC, root / LIBS / "libc.so.6")
    (root / "etc/ssh/ssh_config.d").mkdir(parents=True)
    (root / "etc/ssh/ssh_config").write_text("Include /etc/ssh/ssh_config.d/*.conf\n")
    (root / "opt/pyvirt/bin").mkdir(parents=True)
    (root / "opt/pyvirt/bin/leasewatch").touch()
    return root


def system(root: Path, program: str = "/opt/pyvirt/bin/leasewatch") -> System:
    return System(root=root, program=program)


def tree(root: Path) -> dict[str, tuple[int, bytes | str]]:
    """Every file with mode and content."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(root.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = (mode, str(path.readlink()))
        elif path.is_dir():
            found[name] = (mode, "")
        else:
            found[name] = (mode, path.read_bytes())
    return found
