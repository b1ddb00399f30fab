"""The C library of another Debian suite: in a chroot of a world, our module installed in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.csrc.building import compile_c
from tests.system.answers import SOURCE, Libc
from tests.system.world import World

LIBC_ROOT = Path(__file__).with_name("libc_root.sh")
NO_SUCH_SUITE = 3  # its exit status


def unpacked(suite: str, *rest: str) -> Path:
    """The root that libc_root.sh makes; a skip only if the mirror says that there is none.

    `rest`: an architecture, and packages.
    """
    done = subprocess.run(
        [LIBC_ROOT, suite, *rest], capture_output=True, text=True, check=False, timeout=2000
    )
    if done.returncode == NO_SUCH_SUITE:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def suite_in_a_chroot(world: World, suite: str, folder: Path) -> Libc:
    """Install the module into a copy of the suite's root, which sees the world's table."""
    packed = unpacked(suite)
    (libc,) = (packed / "usr/lib").glob("*/libc.so.6")
    # Linked with that libc: its symbols and no newer ones.
    options = ("cc", "-O2", "-nodefaultlibs", "-Wl,--allow-shlib-undefined")
    made = in_a_chroot(world, packed, compile_c(folder / "answers", options, SOURCE, libc))
    world.run(["nss-pyvirt", "install", "--root", made.root])
    return made


def in_a_chroot(world: World, packed: Path, program: Path, emulator: Path | None = None) -> Libc:
    """A copy of a root, without the module, that sees the world's table and has the program."""
    root = "/run/root"
    world.run(["cp", "-a", packed, root])
    world.run(["mkdir", "-p", f"{root}/run/leasewatch", f"{root}/run/nscd"])
    world.run(["ln", "-s", ".", f"{root}/var"])  # /var/run is /run
    world.run(["install", "-m", "0755", program, f"{root}/run/answers"])
    world.run(["mount", "--bind", "/run/leasewatch", f"{root}/run/leasewatch"])
    for name in ("passwd", "group", "hosts", "host.conf", "resolv.conf"):
        world.run(["cp", f"/etc/{name}", f"{root}/etc"])
    world.run(["tee", f"{root}/etc/nsswitch.conf"], input="hosts: files dns\n")
    if emulator is None:
        return Libc(world, root, ("chroot", root))
    world.run(["install", "-m", "0755", emulator, f"{root}/run/emulator"])
    return Libc(world, root, ("chroot", root, "/run/emulator"))
