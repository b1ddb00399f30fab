"""Get an image that is not here yet: from a URL, or by its name in the catalogue."""

from __future__ import annotations

import hashlib
from pathlib import Path

from leasewatch.paths import Paths
from leasewatch.pyvirt.images import catalogue, checksums, download
from leasewatch.pyvirt.images.checksums import Checksum
from leasewatch.pyvirt.images.describe import Origin
from leasewatch.pyvirt.images.download import Progress
from leasewatch.pyvirt.images.known import Image
from leasewatch.pyvirt.images.names import check_name, file_name
from leasewatch.pyvirt.images.store import Images
from nss_pyvirt.errors import UserError


def find_or_pull(paths: Paths, name: str, progress: Progress) -> Image:
    """The image of that name; if it is not here, download it as the catalogue says.

    UserError with a likely name where there is none, and where the download fails.
    """
    try:
        return Images(paths).get(name)
    except UserError as error:
        if error.code != "not-found" or name not in catalogue.read(paths):
            raise
    return pull(paths, name, progress)


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
    return _fetched(paths, name, entry.url, wanted, progress, moves=True)


def add(paths: Paths, name: str, source: str, wanted: Checksum | None, progress: Progress) -> Image:
    """Add an image from a file or a URL under a name."""
    check_name(name)
    if "://" in source:
        return _fetched(paths, name, source, wanted, progress, moves=False)
    file = Path(source).resolve()
    _check(file, source, wanted)
    return Images(paths).add(name, file, Origin(str(file), file.name, str(wanted or "")))


def _fetched(
    paths: Paths,
    name: str,
    url: str,
    wanted: Checksum | None,
    progress: Progress,
    *,
    moves: bool,
) -> Image:
    origin = Origin(url, file_name(url), str(wanted or ""))
    images = Images(paths)
    try:
        with download.downloaded(paths.images / "downloads", url, progress) as file:
            _check(file, url, wanted)
            with images.taken(file, name=name, origin=origin, owned=True, moves=moves) as image:
                return image
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
