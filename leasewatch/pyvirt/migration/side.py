"""What this host brings to a migration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.architectures import Arch
from leasewatch.pyvirt.domains import probe
from leasewatch.pyvirt.migration.modes import Side

_CPUINFO = Path("/proc/cpuinfo")


def look(paths: Paths, host: str, accel: Literal["kvm", "tcg"], arch: Arch = "x86_64") -> Side:
    """What the host is that the other one calls `host`, for guests of `arch`.

    UserError if QEMU cannot be asked.
    """
    qemu = probe.look(paths, arch)
    return Side(
        host=host,
        version=qemu.version,
        capabilities=qemu.migration.capabilities,
        methods=qemu.migration.methods,
        parameters=qemu.migration.parameters,
        machines=qemu.machines,
        accel=accel,
        flags=_flags() if accel == "kvm" else (),
    )


def _flags() -> tuple[str, ...]:
    """What the kernel says of the first processor; proc(5)."""
    found = re.search(r"^flags\s*: (.*)$", _CPUINFO.read_text(), re.MULTILINE)
    return tuple(found[1].split()) if found else ()
