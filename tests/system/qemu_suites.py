"""QEMU of another Debian suite, for a world."""

from __future__ import annotations

from pathlib import Path

from tests.shipped import run
from tests.system.world import World

_UNPACK = Path(__file__).with_name("qemu_root.sh")


def use_qemu(world: World, suite: str) -> None:
    """From now on the world's QEMU is that of a suite, e.g. `trixie`; empty: the machine's own."""
    world.run(["umount", "/usr/local"], check=False)
    if suite:
        world.run(["mount", "--bind", run(_UNPACK, suite, timeout=2000).strip(), "/usr/local"])
