"""Make, list and delete volumes, and change their passphrases. Prints nothing, asks no question."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from leasewatch.files import locks
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.files import DomainFiles, running_domains
from leasewatch.pyvirt.volumes import luks
from leasewatch.pyvirt.volumes.secrets import Secret
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import hints

LONGEST = 20
"""Characters of a name: as many has the serial number of a virtio disk."""
_NAME = rf"[a-z0-9][a-z0-9_-]{{0,{LONGEST - 1}}}"
_PATIENCE = 60.0  # seconds that other commands on domains and volumes may take


class Volume(NamedTuple):
    """A volume that is there."""

    name: str
    file: Path
    size: int
    """Bytes that a guest sees."""
    is_encrypted: bool
    used_by: str | None
    """The domain that it belongs to."""
    word: str
    """What messages call it."""


class Volumes:
    """The volumes below one root."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def names(self) -> list[str]:
        """The names of all of them."""
        return sorted(file.stem for file in self._paths.volumes.glob("*.qcow2"))

    def get(self, name: str) -> Volume:
        """The volume; UserError with a likely name where there is none."""
        if name not in self.names():
            raise self._unknown(name)
        file = self.file(name)
        header = luks.header(file)
        return Volume(
            name, file, header.size, header.is_encrypted, self._owner(name), f"volume {name}"
        )

    def create(
        self, name: str, size: int, secret: Secret | None = None, iter_time: int | None = None
    ) -> Volume:
        """Make a volume of `size` bytes, encrypted if there is a secret; a failure leaves none."""
        self.check_new(name)
        temporary = self._paths.volumes / f".{name}.new"
        self._paths.volumes.mkdir(parents=True, exist_ok=True)
        with locks.exclusive(self._paths.locks / f"volume-{name}", _PATIENCE):
            self.check_new(name)
            temporary.unlink(missing_ok=True)  # of a command that was killed
            luks.create(temporary, size, secret, iter_time=iter_time)
            temporary.rename(self.file(name))
        return self.get(name)

    def check_new(self, name: str) -> None:
        """UserError for a name that no new volume can have."""
        if not re.fullmatch(_NAME, name):
            hint = f"use up to {LONGEST} letters a-z, digits, - and _"
            raise UserError(f'"{name}" is no name of a volume', hint, "invalid")
        if name in self.names():
            hint = f"sudo pyvirt volume show {name}"
            raise UserError(f"volume {name} already exists", hint, "exists")

    def delete(self, name: str) -> None:
        """Remove a volume; UserError if a domain has it."""
        with locks.exclusive(self._paths.locks / "domains", _PATIENCE):
            volume = self.get(name)
            if volume.used_by is not None:
                hint = f"sudo pyvirt domain set {volume.used_by} volume-={name}"
                what = f"volume {name} belongs to domain {volume.used_by}"
                raise UserError(what, hint, "exists")
            volume.file.unlink()

    def encrypted(self, name: str) -> Volume:
        """The volume whose keys are to be changed; UserError unless it has some, and is at rest.

        A name that no volume has may be a domain's: then it is the domain's own disk, which
        `web1/disk1.qcow2` names if there are several.
        """
        volume = (None if name in self.names() else self._disk(name)) or self.get(name)
        if not volume.is_encrypted:
            hint = "make an encrypted one: sudo pyvirt volume create NAME --size SIZE --encrypt"
            raise UserError(f"{volume.word} is not encrypted", hint, "invalid")
        running = {state.name for state in running_domains(self._paths)}
        if volume.used_by in running:
            hint = f"stop it first: sudo pyvirt domain stop {volume.used_by}"
            raise UserError(f"domain {volume.used_by} is using {volume.word}", hint, "running")
        return volume

    def _disk(self, name: str) -> Volume | None:
        """A domain's own disk; None: there is none of that name."""
        domain, _, wanted = name.partition("/")
        defined = store.readable(self._paths.domain_definitions, DomainDefinition)
        disks = next((each.disks for each in defined if each.name == domain), ())
        for disk in disks:
            if disk.file == (wanted or disks[0].file):
                file = DomainFiles(self._paths, domain).data / disk.file
                word = f"{disk.file} of {domain}"
                return Volume(name, file, disk.size, disk.encrypted, domain, word)
        return None

    def check_free(self, name: str, others: Iterable[DomainDefinition]) -> None:
        """UserError unless the volume is there, and belongs to none of the `others`."""
        if name not in self.names():
            raise self._unknown(name)
        for domain in others:
            if name in domain.volumes:
                what = f"volume {name} belongs to domain {domain.name} already"
                hint = f"sudo pyvirt domain set {domain.name} volume-={name}"
                raise UserError(what, hint, "exists")

    def _owner(self, name: str) -> str | None:
        domains = store.readable(self._paths.domain_definitions, DomainDefinition)
        return next((domain.name for domain in domains if name in domain.volumes), None)

    def file(self, name: str) -> Path:
        """Where a volume of that name is, or would be."""
        return self._paths.volumes / f"{name}.qcow2"

    def _unknown(self, name: str) -> UserError:
        known = self.names()
        meant = hints.likely(name, known)
        hint = "sudo pyvirt volume list" if known else "sudo pyvirt volume create NAME --size SIZE"
        if meant:
            hint = f"did you mean {meant}?"
        return UserError(f'there is no volume "{name}"', hint, "not-found")
