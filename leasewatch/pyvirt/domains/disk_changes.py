"""The disks of a domain that is defined anew: made, enlarged or removed, as the definition says."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.domain import DiskDefinition, DomainDefinition
from leasewatch.pyvirt.domains.disk import make_overlay, spelt
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.images import qemu_img
from leasewatch.pyvirt.images.known import Image
from leasewatch.pyvirt.images.store import Images
from nss_pyvirt.errors import UserError


def added(domain: DomainDefinition, images: Iterable[tuple[Path, Image]]) -> DomainDefinition:
    """The domain with a further disk of each image, which came from a path."""
    _refuse_former(domain)
    disks = list(domain.disks)
    for path, image in images:
        used = {disk.file for disk in disks}
        numbered = (f"disk{number or ''}.qcow2" for number in range(len(used) + 1))
        file = next(name for name in numbered if name not in used)
        new = DiskDefinition(file=file, sha256=image.sha256, source=str(path), size=image.size)
        disks.append(new)
    return msgspec.structs.replace(domain, disks=tuple(disks))


def _refuse_former(domain: DomainDefinition) -> None:
    """UserError for a disk of an earlier version, which the next start takes over."""
    if domain.disk is not None:
        what = f"domain {domain.name} has the disk of an earlier version of pyvirt"
        raise UserError(what, f"start it once: sudo pyvirt domain start {domain.name}", "invalid")


def removed(domain: DomainDefinition, which: Path) -> DomainDefinition:
    """The domain without a disk, named by its file or its source; UserError without that disk."""
    found = [
        disk
        for disk in domain.disks
        if str(which) in {disk.file, disk.source, Path(disk.source).name}
        or os.path.realpath(which) == disk.source
    ]
    if len(found) == 1:
        disks = tuple(disk for disk in domain.disks if disk is not found[0])
        return msgspec.structs.replace(domain, disks=disks)
    known = ", ".join(f"{disk.file} (of {disk.source})" for disk in domain.disks)
    what = f"several disks of domain {domain.name} are" if found else "there is no disk"
    hint = f"the disks are {known}" if known else f"pyvirt domain show {domain.name}"
    raise UserError(f'{what} "{which}"', hint, "invalid" if found else "not-found")


def enlarged(domain: DomainDefinition, size: int) -> DomainDefinition:
    """The domain whose first disk has `size` bytes; UserError without a disk."""
    _refuse_former(domain)
    if not domain.disks:
        hint = "give it one: disk+=FILE"
        raise UserError(f"domain {domain.name} has no disk", hint, "invalid")
    first = domain.disks[0]
    if size < first.size:
        what = f"{spelt(size)} is smaller than {first.file} ({spelt(first.size)})"
        raise UserError(what, "a disk never shrinks", "invalid")
    first = msgspec.structs.replace(first, size=size)
    return msgspec.structs.replace(domain, disks=(first, *domain.disks[1:]))


def check(old: DomainDefinition, new: DomainDefinition, *, running: bool) -> None:
    """UserError for a disk that shrinks or gets another image, or that a guest is using."""
    if running and old.volumes != new.volumes:
        what = f"domain {old.name} is running: volumes are added and removed while it is stopped"
        raise UserError(what, f"sudo pyvirt domain stop {old.name}", "running")
    kept = {disk.file: disk for disk in new.disks}
    for disk in old.disks:
        now = kept.get(disk.file)
        if now is not None and now.sha256 != disk.sha256:
            hint = f"sudo pyvirt domain set {old.name} disk-={disk.file} disk+=FILE"
            raise UserError(f"{disk.file} has another image", hint, "invalid")
        if now is not None and now.encrypted != disk.encrypted:
            what = f"{disk.file} cannot be encrypted afterwards, nor decrypted"
            raise UserError(what, "put the key encrypted back as it was", "invalid")
        if now is not None and now.size < disk.size:
            what = f"{spelt(now.size)} is smaller than {disk.file} ({spelt(disk.size)})"
            raise UserError(what, "a disk never shrinks", "invalid")
        if running and (now is None or now.size != disk.size):
            hint = f"sudo pyvirt domain stop {old.name}"
            raise UserError(f"domain {old.name} is using {disk.file}", hint, "running")


@contextlib.contextmanager
def made(paths: Paths, old: DomainDefinition, new: DomainDefinition) -> Iterator[None]:
    """Make and enlarge what `new` has more; what was made goes again if the body fails.

    An encrypted disk is enlarged by the next start, which has its passphrase.
    """
    data = DomainFiles(paths, new.name).data
    known = {disk.file: disk for disk in old.disks}
    fresh = [disk for disk in new.disks if disk.file not in known]
    try:
        if fresh:
            data.mkdir(parents=True, mode=0o700, exist_ok=True)
        for disk in fresh:
            make_overlay(paths, new.name, disk)
        for disk in new.disks:
            if disk.size > known.get(disk.file, disk).size and not disk.encrypted:
                overlay = data / disk.file
                argv = qemu_img.resize_command(overlay, disk.size)
                qemu_img.run(argv, f"cannot enlarge {overlay}")
        yield
    except BaseException:
        for disk in fresh:
            (data / disk.file).unlink(missing_ok=True)
        raise


def tidy(paths: Paths, domain: DomainDefinition) -> None:
    """Remove the overlays that a stopped domain has no longer, also those of a killed command."""
    if domain.disk is None:  # that of an earlier version has no entry
        used = {disk.file for disk in domain.disks}
        for overlay in DomainFiles(paths, domain.name).data.glob("disk*.qcow2"):
            if overlay.name not in used:
                overlay.unlink()
    Images(paths).forget_unused()
