"""Which architecture a new domain has: what its files say, or its owner, or the host's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from leasewatch.paths import Paths
from leasewatch.pyvirt.domains import kernel_file, kvm
from leasewatch.pyvirt.domains.checks import read_kernel
from leasewatch.pyvirt.images.disk_content import DiskContent
from leasewatch.pyvirt.images.known import KnownImages
from nss_pyvirt.errors import UserError

if TYPE_CHECKING:
    from leasewatch.pyvirt.defined.architectures import Arch
    from leasewatch.pyvirt.defined.domain import DiskDefinition
    from leasewatch.pyvirt.domains.plan import DomainRequest


def chosen(paths: Paths, request: DomainRequest, disks: Sequence[DiskDefinition]) -> Arch:
    """The architecture; UserError where two of these disagree.

    `disks` are empty while their images are not here yet.
    """
    arch, why = request.arch, "--arch"
    for what, said in _told(paths, request, disks):
        if arch is None:
            arch, why = said, what
        elif arch != said:
            also = f"{why} is {arch}" if request.arch else f"{why} for {arch}"
            hint = f"omit --arch, or give another {what.partition(' ')[0]}"
            if not request.arch:
                hint = "give files for one architecture"
            raise UserError(f"{what} is for {said}, and {also}", hint, "invalid")
    return arch or kvm.host()


def _told(
    paths: Paths, request: DomainRequest, disks: Sequence[DiskDefinition]
) -> Iterator[tuple[str, Arch]]:
    """What each file is called, and the architecture that it is for."""
    if request.kernel is not None and request.kernel.is_file():
        kernel = kernel_file.described(read_kernel(request.kernel))
        if kernel is not None and kernel.arch is not None:
            yield f"kernel {request.kernel}", kernel.arch
    images = KnownImages(paths)
    wanted = [disks[0].sha256] if disks else [request.image] if request.image else []
    for each in wanted:
        with contextlib.suppress(UserError):  # not here yet
            image = images.get(each)
            if image.arch is not None:
                name = request.image_source or (disks[0].source if disks else each)
                yield f"image {name}", image.arch
    if request.cdrom is not None and request.cdrom.is_file():
        said = DiskContent(request.cdrom, "raw").architecture()
        if said is not None:
            yield f"CD {request.cdrom}", said
