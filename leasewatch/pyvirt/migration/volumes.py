"""The volumes of a domain that moves: what the source has, and what the destination makes.

A volume that is copied has one passphrase there: the one that the migration was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.volumes.secrets import Secret
from leasewatch.pyvirt.volumes.volumes import Volumes
from nss_pyvirt.errors import UserError


class VolumeOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A volume of the source."""

    name: str
    size: int
    """Bytes that the guest sees."""
    occupied: int
    """Bytes of its file."""
    encrypted: bool


def marker(paths: Paths, domain: DomainDefinition) -> Path:
    """The file by which the destination knows that it sees the source's own volumes."""
    return paths.volumes / f".moving-{domain.name}"


def offered(paths: Paths, domain: DomainDefinition) -> tuple[VolumeOffer, ...]:
    """On the source: what the destination has to have."""
    volumes = [Volumes(paths).get(name) for name in domain.volumes]
    return tuple(
        VolumeOffer(
            name=each.name,
            size=each.size,
            occupied=each.file.stat().st_blocks * 512,
            encrypted=each.is_encrypted,
        )
        for each in volumes
    )


def check(paths: Paths, offers: tuple[VolumeOffer, ...], *, shared: bool) -> None:
    """On the destination: UserError unless they can be made, or are there on `shared` storage."""
    there = Volumes(paths)
    for each in offers:
        if shared:
            there.get(each.name)
        else:
            there.check_new(each.name)


def make(
    paths: Paths,
    domain: DomainDefinition,
    offers: tuple[VolumeOffer, ...],
    secrets: Mapping[str, bytes],
) -> None:
    """On the destination: empty volumes, which the mark `unfinished` lists; raises UserError."""
    mark = DomainFiles(paths, domain.name).unfinished
    for each in offers:
        secret = Secret(secrets[each.name]) if each.encrypted else None
        Volumes(paths).create(each.name, each.size, secret)
        with mark.open("a") as made:
            made.write(f"{each.name}\n")


def discard(paths: Paths, domain: DomainDefinition) -> None:
    """On the destination: remove those that `make` has made."""
    mark = DomainFiles(paths, domain.name).unfinished
    for name in mark.read_text().split():
        Volumes(paths).file(name).unlink(missing_ok=True)


def remove(paths: Paths, domain: DomainDefinition) -> None:
    """On the source, once the guest runs elsewhere."""
    for name in domain.volumes:
        Volumes(paths).file(name).unlink(missing_ok=True)


def check_shared(seen: list[bool]) -> bool:
    """Whether all markers were seen; UserError where the destination sees only some of them."""
    if any(seen) and not all(seen):
        what = "the destination sees this host's disks of domains but not its volumes, or only them"
        raise UserError(what, "share all of /var/lib/pyvirt, or nothing of it", "invalid")
    return all(seen)
