"""What any user may see of images: their names, what they are, and who uses them.

It imports little, because a domain's start needs it. It changes nothing.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from leasewatch.errors import UNDECODABLE
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.architectures import Arch
from leasewatch.pyvirt.defined.domain import Format
from leasewatch.pyvirt.images import image_content, names
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import hints


class Image(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An image that pyvirt owns."""

    sha256: str
    """Of its content, in hex: what it is called."""
    names: tuple[str, ...] = ()
    """Without any it goes with the last domain that uses it."""
    format: Format
    size: int
    """Bytes that a guest sees."""
    source: str
    """The path or URL that it came from, as its owner wrote it."""
    added: float
    """Unix time."""
    arch: Arch | None = None
    """The architecture of its system; None where it does not say."""
    checksum: str = ""
    """The publisher's, which it was checked against: `sha512:HEX`."""


class Index(msgspec.Struct, frozen=True):
    """The content of `index.json`."""

    images: tuple[Image, ...] = ()


class Disk(NamedTuple):
    """The file of an image, and its format."""

    path: Path
    format: Format


class KnownImages:
    """The images below one root."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._folder = paths.images
        self._index_file = paths.images / "index.json"

    def known(self) -> list[Image]:
        """All images, named ones first, by name."""
        return sorted(self._index(), key=lambda image: (not image.names, image.names, image.added))

    def get(self, wanted: str) -> Image:
        """The image with that name, or whose digest begins so; UserError where there is none."""
        known = self._index()
        digits = wanted.removeprefix("sha256:")
        for image in known:
            if wanted in image.names:
                return image
        if names.is_digest(digits):
            found = [image for image in known if image.sha256.startswith(digits)]
            if len(found) == 1:
                return found[0]
        others = [name for image in known for name in image.names]
        raise UserError(f'there is no image "{wanted}"', self._hint(wanted, others), "not-found")

    def _hint(self, wanted: str, others: list[str]) -> str:
        """What to type for an image that is not here."""
        from leasewatch.pyvirt.images import catalogue  # noqa: PLC0415  start-up time

        offered: list[str] = []
        with contextlib.suppress(UserError):
            offered = list(catalogue.read(self._paths))
        if wanted in offered:
            return f"sudo pyvirt image pull {wanted}"
        if meant := hints.likely(wanted, [*others, *offered]):
            return f"did you mean {meant}?"
        return "pyvirt image list" if others else "pyvirt image list --available"

    def file(self, sha256: str) -> Disk:
        """Where the content with that digest is; UserError where it is gone."""
        formats: tuple[Format, ...] = ("qcow2", "raw")
        for format_ in formats:
            path = self._file(sha256, format_)
            if path.exists():
                return Disk(path, format_)
        what = f"image sha256-{sha256} is gone from {self._folder}"
        raise UserError(what, "put that file back", "not-found")

    def has(self, image: Image) -> bool:
        """Whether its content is here."""
        return self._file(image.sha256, image.format).exists()

    def may_boot(self, sha256: str) -> bool:
        """Whether firmware may find a system on it."""
        try:
            with self.file(sha256).path.open("rb") as file:
                return image_content.may_boot(file.read(image_content.HEAD))
        except OSError as error:
            raise UserError(f"cannot read image {sha256}: {error.strerror}") from None

    def users(self, sha256: str) -> list[str]:
        """The domains that use it. One whose definition is broken counts, too."""
        return sorted(n for n, text in self._definitions().items() if sha256.encode() in text)

    def _definitions(self) -> dict[str, bytes]:
        """The text of each domain's definition."""
        found = {}
        for file in self._paths.domain_definitions.glob("*.toml"):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                found[file.stem] = file.read_bytes()
        return found

    def _file(self, sha256: str, format_: Format) -> Path:
        return self._folder / f"sha256-{sha256}.{format_}"

    def _index(self) -> tuple[Image, ...]:
        try:
            return msgspec.json.decode(self._index_file.read_bytes(), type=Index).images
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise UserError(f"cannot read {self._index_file}: {error.strerror}") from None
        except UNDECODABLE as error:
            raise UserError(f"{self._index_file}: {error}", code="invalid") from None
