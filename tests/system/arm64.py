"""Build for arm64 with Debian's cross compiler, and run it under qemu-user in a root of arm64.

The tools and the root lie in the checkout's .cache; nothing of them is installed.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

from tests.csrc.building import compile_c
from tests.shipped import ROOT, run
from tests.system.answers import SOURCE, Libc
from tests.system.suites import in_a_chroot, unpacked
from tests.system.world import World

PLATFORM = "manylinux_2_34_aarch64"
_TOOLS = (
    *("gcc-12-aarch64-linux-gnu", "cpp-12-aarch64-linux-gnu", "binutils-aarch64-linux-gnu"),
    *("libc6-dev-arm64-cross", "libc6-arm64-cross", "linux-libc-dev-arm64-cross"),
    *("libgcc-12-dev-arm64-cross", "libgcc-s1-arm64-cross", "qemu-user-static"),
)
_PYTHON = (
    *("libpython3.11-dev", "libpython3.11-stdlib", "libpython3.11-minimal", "python3.11-minimal"),
    *("libexpat1", "libffi8", "libsqlite3-0", "libssl3", "zlib1g"),
)
LIBRARIES = "/usr/lib/aarch64-linux-gnu"


@functools.cache
def _tools() -> Path:
    return unpacked("bookworm", "amd64", *_TOOLS)


@functools.cache
def root() -> Path:
    """A Debian of arm64: its C library, getent, and Python with its headers."""
    return unpacked("bookworm", "arm64", *_PYTHON)


def compiler() -> list[str]:
    """The cross compiler with its options."""
    libraries = f"LD_LIBRARY_PATH={_tools()}/usr/lib/x86_64-linux-gnu"
    gcc = f"{_tools()}/usr/bin/aarch64-linux-gnu-gcc-12"
    return ["env", libraries, gcc, f"--sysroot={_tools()}"]


def wheel(folder: Path) -> Path:
    """The wheel for arm64, as packaging/wheel makes it."""
    headers = root() / "usr/include"
    flags = f"-I{headers} -I{headers}/python3.11"
    env = os.environ | {"CC": " ".join(compiler()), "CFLAGS": flags}
    made = run(ROOT / "packaging/wheel", "--platform", PLATFORM, folder, env=env, timeout=300)
    return Path(made.strip())


def in_a_world(world: World, folder: Path) -> Libc:
    """The root in a chroot of the world, with the program that asks; it has no module yet."""
    program = compile_c(folder / "answers", (*compiler(), "-O2"), SOURCE)
    return in_a_chroot(world, root(), program, _tools() / "usr/bin/qemu-aarch64-static")
