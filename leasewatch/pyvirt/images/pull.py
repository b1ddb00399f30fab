"""Get an image that is not here yet: from a file or a URL, or by its name in the catalogue."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from leasewatch.paths import Paths
from leasewatch.pyvirt.images import catalogue, checksums, download
from leasewatch.pyvirt.images.checksums import Checksum
from leasewatch.pyvirt.images.describe import Origin
from leasewatch.pyvirt.images.download import Progress
from leasewatch.pyvirt.images.known import Image
from leasewatch.pyvirt.images.names import check_name, check_url, file_name
from leasewatch.pyvirt.images.store import Images
from nss_pyvirt.errors import UserError


def source_of(paths: Paths, wanted: str) -> str:
    """What a definition calls the image `wanted`: its URL, its absolute path, or its name.

    `./NAME` is a file, also where an image has that name. UserError where it is none of these.
    """
    if "://" in wanted:
        return wanted
    if "/" in wanted:
        return str(Path(wanted).resolve())
    try:
        _here(paths, wanted)
    except UserError as error:
        if error.code != "not-found" or not Path(wanted).is_file():
            raise
        return str(Path(wanted).resolve())
    return wanted


def check(source: str) -> None:
    """UserError where `source_of` has named a path without a file, or no URL of one."""
    if "://" in source:
        check_url(source)
    elif "/" in source and not Path(source).is_file():
        raise UserError(f"there is no image {source}", "give the path of a file", "not-found")


@contextlib.contextmanager
def found(paths: Paths, source: str, progress: Progress) -> Iterator[Image]:
    """The image that `source_of` has named; nothing removes it meanwhile.

    A file is copied. What the catalogue or a URL offers is downloaded, unless it is here already.
    """
    image = _here(paths, source)
    if image is None and "/" in source:
        with _taken(paths, source, None, progress) as image:
            yield image
        return
    image = image or pull(paths, source, progress)
    with Images(paths).held(image.sha256):
        yield image


def _here(paths: Paths, source: str) -> Image | None:
    """The image that is here; None: it is a file, or can be downloaded. UserError: unknown."""
    images = Images(paths)
    if "/" in source:
        same = (image for image in images.known() if image.source == source and "://" in source)
        return next(filter(images.has, same), None)
    try:
        return images.get(source)
    except UserError as error:
        if error.code != "not-found" or source not in catalogue.read(paths):
            raise
    return None


def pull(paths: Paths, name: str, progress: Progress) -> Image:
    """Download an image of the catalogue, unless this version of it is here already.

    The name then leads to this version; domains keep the one that they were made of.
    """
    entry = catalogue.entry(paths, name)
    wanted = None
    if entry.checksums:
        text = download.text(entry.checksums)
        wanted = checksums.find(text, file_name(entry.url), entry.checksums)
    images = Images(paths)
    for image in images.known():
        if wanted and image.checksum == str(wanted) and images.has(image):
            return images.name(image.sha256, name)
    with _taken(paths, entry.url, wanted, progress, name=name, moves=True) as image:
        return image


def add(paths: Paths, name: str, source: str, wanted: Checksum | None, progress: Progress) -> Image:
    """Add an image from a file or a URL under a name."""
    check_name(name)
    with _taken(paths, source, wanted, progress, name=name) as image:
        return image


@contextlib.contextmanager
def _taken(
    paths: Paths,
    source: str,
    wanted: Checksum | None,
    progress: Progress,
    *,
    name: str = "",
    moves: bool = False,
) -> Iterator[Image]:
    """Take an image from a file or a URL into the store; see `Images.taken`."""
    images = Images(paths)
    if "://" not in source:
        file = Path(source).resolve()
        _check(file, source, wanted)
        origin = Origin(str(file), file.name, str(wanted or ""))
        with images.taken(file, name=name, origin=origin, moves=moves) as image:
            yield image
        return
    origin = Origin(source, file_name(source), str(wanted or ""))
    try:
        with download.downloaded(paths.images / "downloads", source, progress) as file:
            _check(file, source, wanted)
            with images.taken(file, name=name, origin=origin, owned=True, moves=moves) as image:
                yield image
    finally:
        images.forget_unused()


def _check(file: Path, source: str, wanted: Checksum | None) -> None:
    """UserError where the content is another one than its publisher says."""
    if wanted is None:
        return
    try:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, wanted.algorithm).hexdigest()
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror}") from None
    if found != wanted.hex:
        what = f"{source} has {wanted.algorithm} {found}, not {wanted.hex}"
        raise UserError(what, "try again: it may just have been replaced", "invalid")
