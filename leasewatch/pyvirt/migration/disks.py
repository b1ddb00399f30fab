"""The files of a domain that moves: what the source has, and what the destination makes of it.

Both hosts may see the same folder (shared storage): then no file is made, copied or removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.domains import uefi
from leasewatch.pyvirt.domains.disk import make_overlay
from leasewatch.pyvirt.domains.machines import MACHINES
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.images import describe
from leasewatch.pyvirt.images.known import Image
from leasewatch.pyvirt.images.store import Images
from leasewatch.pyvirt.migration import volumes
from leasewatch.pyvirt.migration.volumes import VolumeOffer
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError

_MARGIN = 16 << 20
"""Bytes that stay free on the destination's file system."""


class ImageOffer(msgspec.Struct, frozen=True, kw_only=True):
    """An image that the domain's disks are overlays of."""

    image: Image
    length: int
    """Bytes of its file."""


class GivenFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that pyvirt does not own: the destination needs the same one."""

    word: str
    """What the definition calls it: cdrom, kernel or initrd."""
    path: str
    sha256: str


class DisksOffer(msgspec.Struct, frozen=True, kw_only=True):
    """What the destination has to have."""

    marker: str = ""
    """The content of `DomainFiles.moving`; empty: the domain has no files."""
    images: tuple[ImageOffer, ...] = ()
    overlays: dict[str, int] = {}
    """The file of each disk, and the bytes that it occupies."""
    folder: bool = False
    """Whether the domain has a folder of its own."""
    volumes: tuple[VolumeOffer, ...] = ()
    given: tuple[GivenFile, ...] = ()
    firmware: int = 0
    """Bytes of the UEFI program; 0: the guest has none."""


class DisksAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the destination has."""

    shared: bool = False
    """It sees the source's own files."""
    missing: tuple[str, ...] = ()
    """The digests of images that it needs first."""


class SmallFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the domain's folder."""

    name: str
    mode: int
    packed: bytes
    """The content, compressed by zlib: most of a seed and of UEFI's variables is empty."""


class DisksContent(msgspec.Struct, frozen=True, kw_only=True):
    """The files of the domain's folder except its disks."""

    files: tuple[SmallFile, ...] = ()


@contextlib.contextmanager
def offered(paths: Paths, domain: DomainDefinition) -> Iterator[DisksOffer]:
    """On the source: what to ask the destination. Until this ends it can see a marker file.

    UserError where a file is gone.
    """
    files = DomainFiles(paths, domain.name)
    given = ((word, getattr(domain, word)) for word in ("cdrom", "kernel", "initrd"))
    offer = DisksOffer(
        marker=os.urandom(16).hex() if files.data.exists() or domain.volumes else "",
        images=tuple(_image(paths, domain, digest) for digest in _digests(domain)),
        overlays={disk.file: _occupied(files.data / disk.file) for disk in domain.disks},
        folder=files.data.exists(),
        volumes=volumes.offered(paths, domain),
        given=tuple(
            GivenFile(word=word, path=path, sha256=_digest(domain.name, word, Path(path)))
            for word, path in given
            if path is not None
        ),
        firmware=uefi.program_size(domain.arch) if domain.firmware == "uefi" else 0,
    )
    markers = _markers(paths, domain, offer)
    try:
        for file in markers:
            replacing.replace(file, offer.marker.encode(), mode=0o600)
        yield offer
    finally:
        for file in markers:
            file.unlink(missing_ok=True)


def content(paths: Paths, domain: DomainDefinition) -> DisksContent:
    """On the source: the small files, for a destination without shared storage."""
    files = DomainFiles(paths, domain.name)
    found = [files.seed, files.uefi, files.user_data, files.host_key]
    found += [files.host_key.with_name(f"{files.host_key.name}.pub")]
    found += files.seed_texts.glob("*")
    return DisksContent(
        files=tuple(
            SmallFile(
                name=str(path.relative_to(files.data)),
                mode=path.stat().st_mode & 0o777,
                packed=zlib.compress(path.read_bytes()),
            )
            for path in found
            if path.exists()
        )
    )


def answer(
    held: contextlib.ExitStack, paths: Paths, domain: DomainDefinition, offer: DisksOffer
) -> DisksAnswer:
    """On the destination. No other command removes the images while `held` lasts.

    UserError where a file is missing or another one, and where there is no room.
    """
    for file in offer.given:
        _check_given(file)
    if offer.firmware and offer.firmware != uefi.program_size(domain.arch):
        what = "the UEFI program here is another one than the guest's"
        package = MACHINES[domain.arch].uefi_package
        raise UserError(what, f"install the same version of {package} on both hosts", "invalid")
    files, images = DomainFiles(paths, domain.name), Images(paths)
    held.callback(images.forget_unused)  # those of a migration that fails
    markers = _markers(paths, domain, offer)
    seen = [_reads(file) == offer.marker for file in markers]
    shared = bool(markers) and volumes.check_shared(seen)
    volumes.check(paths, offer.volumes, shared=shared)
    if not shared and files.data.exists() and not files.unfinished.exists():
        what = f"{files.data} already exists"
        raise UserError(what, "move it away: no domain owns it", "exists")
    missing = []
    for each in offer.images:
        try:
            held.enter_context(images.held(each.image.sha256))
        except (UserError, FileNotFoundError):
            missing.append(each)
    needed = {paths.images: sum(each.length for each in missing)}
    if not shared:
        needed[paths.domain_data] = sum(offer.overlays.values())
        needed[paths.volumes] = sum(each.occupied for each in offer.volumes)
    _check_room(needed)
    return DisksAnswer(shared=shared, missing=tuple(each.image.sha256 for each in missing))


def make(
    held: contextlib.ExitStack,
    paths: Paths,
    domain: DomainDefinition,
    given: DisksContent,
    offers: tuple[VolumeOffer, ...] = (),
    secrets: Mapping[str, bytes] = {},
) -> None:
    """On the destination: the folder with its files; they are marked `unfinished`.

    `offers` are the volumes to make, and `secrets` the passphrases of encrypted disks.

    UserError where an image is missing or a file cannot be written; nothing is left then.
    """
    files, images = DomainFiles(paths, domain.name), Images(paths)
    for digest in _digests(domain):
        held.enter_context(images.held(digest))
    if not (given.files or domain.disks or offers):
        return
    discard(paths, domain)
    try:
        files.data.mkdir(parents=True, mode=0o700)
        files.unfinished.touch()
        for each in given.files:
            path = files.data / _checked_name(each.name)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            replacing.replace(path, zlib.decompress(each.packed), mode=each.mode)
        for disk in domain.disks:
            make_overlay(paths, domain.name, disk, secrets.get(disk.file))
        volumes.make(paths, domain, offers, secrets)
    except OSError as error:
        discard(paths, domain)
        what = f"cannot make {files.data}: {error.strerror or error}"
        raise UserError(what, f"see what is there: df {paths.domain_data}") from error
    except BaseException:
        discard(paths, domain)
        raise


def keep(paths: Paths, domain: DomainDefinition) -> None:
    """On the destination, once the domain is defined there: the files are its own."""
    DomainFiles(paths, domain.name).unfinished.unlink(missing_ok=True)


def name_images(paths: Paths, offer: DisksOffer) -> None:
    """On the destination, likewise: its images get the names that are free there."""
    images = Images(paths)
    used = {name for image in images.known() for name in image.names}
    for each in offer.images:
        for name in {*each.image.names} - used:
            images.name(each.image.sha256, name)


def discard(paths: Paths, domain: DomainDefinition) -> None:
    """On the destination: remove what `make` has made, and nothing else."""
    files = DomainFiles(paths, domain.name)
    if files.unfinished.exists():
        volumes.discard(paths, domain)
        for path in files.data.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != files.unfinished:
                path.unlink()
        files.unfinished.unlink()  # last, since this may be killed
        files.data.rmdir()


def remove(paths: Paths, domain: DomainDefinition, *, shared: bool) -> None:
    """On the source, once the guest runs elsewhere and its definition is gone: its own files."""
    files = DomainFiles(paths, domain.name)
    if not shared:
        volumes.remove(paths, domain)
    if not shared and files.data.exists():
        shutil.rmtree(files.data)
    if paths.images.exists():
        Images(paths).forget_unused()


def _markers(paths: Paths, domain: DomainDefinition, offer: DisksOffer) -> list[Path]:
    """The files with the marker: one in each folder whose files the domain has."""
    found = [DomainFiles(paths, domain.name).moving] if offer.folder else []
    return [*found, *([volumes.marker(paths, domain)] if offer.volumes else [])]


def _digests(domain: DomainDefinition) -> list[str]:
    return list(dict.fromkeys(disk.sha256 for disk in domain.disks))


def _image(paths: Paths, domain: DomainDefinition, digest: str) -> ImageOffer:
    """The image as the index has it; where that was lost, as the domain has it."""
    images = Images(paths)
    file = images.file(digest)
    known = {image.sha256: image for image in images.known()}
    if (image := known.get(digest)) is None:
        disk = next(disk for disk in domain.disks if disk.sha256 == digest)
        image = Image(
            sha256=digest,
            format=file.format,
            size=disk.size,
            source=disk.source,
            added=time.time(),
        )
    return ImageOffer(image=image, length=file.path.stat().st_size)


def _occupied(overlay: Path) -> int:
    return overlay.stat().st_blocks * 512


def _digest(name: str, word: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            return describe.digest(file)
    except OSError as error:
        what = f"cannot read {word} {path} of domain {name}: {error.strerror}"
        raise UserError(what, "put that file back", "not-found") from None


def _check_given(each: GivenFile) -> None:
    """The same file has to be at the same path: a later start reads it."""
    hint = f"copy it from the source: scp {each.path} HOST:{each.path}"
    try:
        with Path(each.path).open("rb") as file:
            same = describe.digest(file) == each.sha256
    except OSError as error:
        what = f"cannot read {each.word} {each.path} here: {error.strerror}"
        raise UserError(what, hint, "not-found") from None
    if not same:
        what = f"{each.word} {each.path} is another file here than on the source"
        raise UserError(what, hint, "invalid")


def _reads(file: Path) -> str:
    with contextlib.suppress(OSError):
        return file.read_text()
    return ""


def _check_room(needed: dict[Path, int]) -> None:
    """UserError where a file system has too little room for what its folders will get."""
    sums: dict[int, tuple[Path, int]] = {}
    for folder, count in needed.items():
        there = next(path for path in (folder, *folder.parents) if path.exists())
        device = there.stat().st_dev
        first, before = sums.get(device, (there, 0))
        sums[device] = first, before + count
    for folder, count in sums.values():
        status = os.statvfs(folder)
        free = status.f_bavail * status.f_frsize
        if count and count + _MARGIN > free:
            what = f"the disk is full: {folder} has {free >> 20} MiB free"
            hint = f"make room for {(count + _MARGIN) >> 20} MiB"
            raise UserError(what, hint)


def _checked_name(name: str) -> str:
    """The name of a small file; UserError where it leads elsewhere."""
    if name.startswith("/") or ".." in name.split("/"):
        raise UserError(f'"{name}" is no file of a domain', code="invalid")
    return name
