"""A domain's disks: copy-on-write overlays of images that pyvirt owns."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DiskDefinition, DomainDefinition
from leasewatch.pyvirt.domains.qemu import Drive, Layer
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.images import qemu_img
from leasewatch.pyvirt.images.known import KnownImages
from nss_pyvirt.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from leasewatch.pyvirt.domains.plan import DomainRequest
    from leasewatch.pyvirt.images.known import Image
    from leasewatch.pyvirt.images.store import Images
    from leasewatch.pyvirt.volumes.secrets import Secret

_EMPTY = "an empty disk"
_LONG = 86400.0  # seconds to copy a whole disk


def take_images(
    held: contextlib.ExitStack, paths: Paths, request: DomainRequest
) -> tuple[DiskDefinition, ...]:
    """The disks of a new domain. No other command removes their images while `held` lasts.

    UserError where an image is missing or none, and for a size that would cut the first one off.
    """
    from leasewatch.pyvirt.images.store import Images  # noqa: PLC0415  start-up time

    images = Images(paths)
    found = []
    if request.image is not None:
        source = request.image_source or request.image
        found.append((held.enter_context(images.held(request.image)), source))
    for path in request.disks:
        file = path.resolve()
        found.append((held.enter_context(images.taken(file)), str(file)))
    if request.size is not None and not found:
        found.append((held.enter_context(_empty(images, request.size)), _EMPTY))
    disks = []
    for index, (image, source) in enumerate(found):
        size = image.size
        if index == 0 and request.size is not None:
            size = request.size
        if size < image.size:
            what = f"{spelt(size)} is smaller than {source} ({spelt(image.size)})"
            raise UserError(what, "omit --size, or enlarge it", "invalid")
        name = f"disk{index or ''}.qcow2"
        disks.append(
            DiskDefinition(
                file=name,
                sha256=image.sha256,
                source=source,
                size=size,
                encrypted=index == 0 and request.secret is not None,
            )
        )
    return tuple(disks)


@contextlib.contextmanager
def _empty(images: Images, size: int) -> Iterator[Image]:
    """An image without content, for an installer to write to."""
    import tempfile  # noqa: PLC0415  # rarely needed

    from leasewatch.pyvirt.images.describe import Origin  # noqa: PLC0415  start-up time

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "empty.qcow2")
        qemu_img.run(qemu_img.empty_command(file, size), "cannot make an empty disk")
        with images.taken(file, origin=Origin(_EMPTY, file.name)) as image:
            yield image


def make_overlays(paths: Paths, domain: DomainDefinition, secret: bytes | None = None) -> None:
    """Make the overlays of all disks of a domain, whose folder exists."""
    for disk in domain.disks:
        make_overlay(paths, domain.name, disk, secret if disk.encrypted else None)


def make_overlay(
    paths: Paths, name: str, disk: DiskDefinition, secret: bytes | None = None
) -> None:
    """Make the overlay of one disk of the domain `name`, whose folder exists.

    `secret` is what opens an encrypted one.
    """
    overlay = DomainFiles(paths, name).data / disk.file
    image = KnownImages(paths).file(disk.sha256)
    if disk.encrypted and secret is None:
        raise UserError(f"the passphrase of {disk.file} of {name} is missing", code="invalid")
    if secret is not None:
        from leasewatch.pyvirt.volumes import luks  # noqa: PLC0415  start-up time

        luks.create(overlay, disk.size, secret, base=image)
        return
    argv = qemu_img.overlay_command(image.path, image.format, overlay, disk.size)
    qemu_img.run(argv, f"cannot make {overlay}")


def drives(
    paths: Paths, domain: DomainDefinition, secrets: Mapping[str, Secret] | None = None
) -> list[Drive]:
    """Disks in order, volumes, then seed, CD and firmware; UserError where a file is gone.

    `secrets` are those of `domains.secrets`.
    """
    secrets = secrets or {}
    images, files = KnownImages(paths), DomainFiles(paths, domain.name)
    found = []
    for disk in domain.disks:
        overlay = files.data / disk.file
        if not overlay.exists():
            what = f"disk {overlay} of domain {domain.name} is gone"
            raise UserError(what, "put that file back", "not-found")
        image = images.file(disk.sha256)
        layers = Layer(overlay, "qcow2", writable=True), Layer(image.path, image.format)
        found.append(Drive(layers, secret=secrets.get(disk.file, b"")))
    for name in domain.volumes:
        from leasewatch.pyvirt.volumes.volumes import Volumes  # noqa: PLC0415  start-up time

        volume = Volumes(paths).get(name)
        layer = Layer(volume.file, "qcow2", writable=True)
        found.append(Drive((layer,), secret=secrets.get(name, b""), serial=name))
    if domain.login is not None:
        found.append(Drive((Layer(files.seed, "raw"),)))
    if domain.cdrom is not None:
        found.append(Drive((Layer(Path(domain.cdrom), "raw"),), "cdrom"))
    if domain.firmware == "uefi":
        from leasewatch.pyvirt.domains import uefi  # noqa: PLC0415  start-up time

        found += uefi.drives(files, domain.arch)
    return found


def adopt(paths: Paths, domain: DomainDefinition) -> DomainDefinition:
    """Take a copy of the image that an earlier version left where it was; the new definition.

    UserError where that image is gone or is none.
    """
    from leasewatch.pyvirt.images.store import Images  # noqa: PLC0415  start-up time

    if domain.disk is None:
        return domain
    overlay = DomainFiles(paths, domain.name).overlay
    asked = qemu_img.info_command(overlay)
    info = qemu_img.parse_info(qemu_img.run(asked, f"cannot read disk {overlay}"))
    base = Path(info.base or domain.disk)
    target = base.resolve()
    if target != base:  # who may write there may have put the link into the image's place
        rebase = shlex.join(qemu_img.rebase_command(target, "FORMAT", overlay))
        what = f"a symbolic link leads from image {base} to {target}"
        raise UserError(what, f"if you trust it: {rebase}", "invalid")
    images = Images(paths)
    with images.taken(base) as image:
        copy = images.file(image.sha256)
        argv = qemu_img.rebase_command(copy.path, copy.format, overlay)
        qemu_img.run(argv, f"cannot change disk {overlay}")
        disk = DiskDefinition(
            file=overlay.name, sha256=image.sha256, source=domain.disk, size=info.size
        )
        domain = msgspec.structs.replace(domain, disk=None, disks=(disk, *domain.disks))
        store.write(paths.domain_definitions, domain)
    return domain


def keep(files: DomainFiles) -> list[Path]:
    """Copy the disks, each with its image's content, beside the domains' folders; their paths.

    UserError if a file is there.
    """
    kept = {}
    for overlay in sorted(files.data.glob("disk*.qcow2")):
        which = overlay.stem.removeprefix("disk")
        path = files.data.with_name(f"{files.name}{which and f'.disk{which}'}.qcow2")
        if path.exists():
            what = f"{path} is there already"
            raise UserError(what, f"move it away: sudo mv {path} ELSEWHERE", "exists")
        kept[overlay] = path
    for overlay, path in kept.items():
        temp = path.with_name(f".{path.name}.new")
        try:
            argv = qemu_img.convert_command(overlay, temp)
            qemu_img.run(argv, f"cannot keep {overlay}", _LONG)
            temp.chmod(0o600)
            temp.rename(path)
        finally:
            temp.unlink(missing_ok=True)
    return list(kept.values())


def spelt(count: int) -> str:
    """A size as `--size` takes it, in the largest unit that divides it."""
    unit = next((u for u in (4, 3, 2, 1) if count and not count % (1 << 10 * u)), 0)
    return f"{count >> 10 * unit}{'kMGT'[unit - 1] if unit else ''}"
