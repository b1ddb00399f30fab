"""Names of images that can be downloaded: the package's catalogue, and the owner's own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from leasewatch.errors import UNDECODABLE
from leasewatch.paths import Paths
from leasewatch.pyvirt.images import names
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import hints

_OURS: Final = Path(__file__).with_name("catalogue.toml")


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An image that can be downloaded."""

    url: str
    checksums: str = ""
    """The URL of the publisher's checksum file; empty: TLS alone vouches for the image."""
    user: str = ""
    """The user that the image makes by default."""


def read(paths: Paths) -> dict[str, Entry]:
    """Every entry by its name. UserError names file and key."""
    return {**_decode(_OURS), **_decode(paths.image_catalogue)}


def entry(paths: Paths, name: str) -> Entry:
    """The entry of that name; UserError with the likely one where there is none."""
    known = read(paths)
    if name in known:
        return known[name]
    hint = "pyvirt image list --available"
    if meant := hints.likely(name, known):
        hint = f"did you mean {meant}?"
    raise UserError(f'there is no image "{name}" to download', hint, "not-found")


def _decode(file: Path) -> dict[str, Entry]:
    try:
        found = msgspec.toml.decode(file.read_bytes(), type=dict[str, Entry])
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from None
    except UNDECODABLE as error:
        raise UserError(f"{file}: {error}", code="invalid") from None
    for name, each in found.items():
        try:
            names.check_name(name)
            for url in filter(None, (each.url, each.checksums)):
                names.check_url(url)
        except UserError as error:
            raise UserError(f"{file}: {name}: {error.what}", error.hint, error.code) from None
    return found
