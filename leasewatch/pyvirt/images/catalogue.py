"""Names of images that can be downloaded: the package's catalogue, and the owner's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from leasewatch.errors import UNDECODABLE
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import architectures
from leasewatch.pyvirt.defined.architectures import Arch
from leasewatch.pyvirt.images import names
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import hints

_OURS: Final = Path(__file__).with_name("catalogue.toml")


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the file of an image is."""

    url: str
    checksums: str = ""
    """The URL of the publisher's checksum file; empty: TLS alone vouches for the image."""


class Entry(Source, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An image that can be downloaded. `url` is its file for x86_64, or the only one."""

    user: str = ""
    """The user that the image makes by default."""
    aarch64: Source | None = None
    ppc64le: Source | None = None
    riscv64: Source | None = None

    def sources(self) -> dict[Arch, Source]:
        """Its files by their architectures, if it has several."""
        others: tuple[Arch, ...] = ("aarch64", "ppc64le", "riscv64")
        found: dict[Arch, Source] = {a: one for a in others if (one := getattr(self, a))}
        return {"x86_64": self, **found} if found else {}


def read(paths: Paths, host: Arch | None = None) -> dict[str, Entry]:
    """Every entry by its name. UserError names file and key.

    NAME is an image for `host` (None: of this one), and NAME-ARCH the same for another.
    """
    host = host or _host()
    found = {}
    for name, each in {**_decode(_OURS), **_decode(paths.image_catalogue)}.items():
        sources = each.sources()
        found[name] = _alone(each, sources.pop(host, each))
        found |= {f"{name}-{arch}": _alone(each, one) for arch, one in sources.items()}
    return found


def for_architecture(paths: Paths, name: str, arch: Arch | None) -> str:
    """What the image for `arch` is called whose name for the host is `name`; None: the host.

    The same where the catalogue has no such name. UserError if it has it for others only.
    """
    if arch in (None, _host()):
        return name
    known = read(paths)
    if f"{name}-{arch}" in known:
        return f"{name}-{arch}"
    if any(f"{name}-{each}" in known for each in architectures.ALL):
        others = [each.removesuffix(f"-{arch}") for each in known if each.endswith(f"-{arch}")]
        what = f"image {name} is not published for {arch}"
        raise UserError(what, f"use one of {', '.join(others)}", "not-found")
    return name


def _alone(entry: Entry, source: Source) -> Entry:
    return Entry(url=source.url, checksums=source.checksums, user=entry.user)


def _host() -> Arch:
    return architectures.of_host(os.uname().machine)


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
            for source in (each, *each.sources().values()):
                for url in filter(None, (source.url, source.checksums)):
                    names.check_url(url)
        except UserError as error:
            raise UserError(f"{file}: {name}: {error.what}", error.hint, error.code) from None
    return found
