"""What a new domain's guest runs on: architecture, machine type and firmware."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from leasewatch.paths import Paths
from leasewatch.pyvirt.domains import architecture, probe, uefi

if TYPE_CHECKING:
    from leasewatch.pyvirt.defined.domain import DiskDefinition
    from leasewatch.pyvirt.domains.plan import DomainRequest


def settled(paths: Paths, request: DomainRequest, disks: Sequence[DiskDefinition]) -> DomainRequest:
    """The request with these in it. `disks` are empty while their images are not here yet.

    UserError if QEMU or the firmware is not installed, and where the files are for several
    architectures.
    """
    arch = architecture.chosen(paths, request, disks)
    machine = request.machine or probe.look(paths, arch).machine
    firmware = uefi.chosen(paths, request, arch, disks)
    return msgspec.structs.replace(request, arch=arch, machine=machine, firmware=firmware)
