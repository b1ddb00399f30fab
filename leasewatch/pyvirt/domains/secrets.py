"""The passphrases of a domain's encrypted disks: collected, checked, handed to its parent.

A key is what the definition calls the disk: `disk.qcow2`, `disk1.qcow2`, or a volume's name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from leasewatch.daemon import notify
from leasewatch.errors import UNDECODABLE
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.domain import DiskDefinition, DomainDefinition
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.volumes import luks, secrets
from leasewatch.pyvirt.volumes.secrets import Secret
from leasewatch.pyvirt.volumes.volumes import Volumes
from nss_pyvirt.errors import UserError

PATIENCE = 20.0
"""Seconds for QEMU to try a passphrase in all key slots of a disk, each of which takes long."""

Secrets = Mapping[str, Secret]
"""Key -> passphrase."""

_START = 30.0  # seconds that the unit has without encrypted disks


class Encrypted(NamedTuple):
    """A disk that needs a passphrase."""

    key: str
    word: str
    """What messages call it."""
    file: Path


Ask = Callable[[Encrypted], Secret | None]
"""Gets the passphrase of a disk from whoever starts the domain; None: from its `secret_file`."""


def needed(paths: Paths, domain: DomainDefinition) -> list[Encrypted]:
    """The encrypted disks of a domain."""
    data = DomainFiles(paths, domain.name).data
    found = [
        Encrypted(disk.file, f"{disk.file} of {domain.name}", data / disk.file)
        for disk in domain.disks
        if disk.encrypted
    ]
    volumes = (Volumes(paths).get(name) for name in domain.volumes)
    return found + [Encrypted(v.name, v.word, v.file) for v in volumes if v.is_encrypted]


def collect(paths: Paths, domain: DomainDefinition, ask: Ask) -> Secrets:
    """The passphrases of all encrypted disks of a domain, also a running one.

    Each is checked. UserError for a wrong one, and from `ask`.
    """
    found = {}
    for disk in needed(paths, domain):
        given = ask(disk)
        secret = given or _from_definition(domain, disk)
        try:
            luks.check(disk.file, disk.word, secret)
        except luks.WrongSecretError as error:
            if given is not None:
                raise
            what = f"the passphrase in {domain.secret_file} does not open {disk.word}"
            raise UserError(what, _another(domain, disk), error.code) from None
        found[disk.key] = secret
    return found


def _another(domain: DomainDefinition, disk: Encrypted) -> str:
    """What to type where the definition's file has another passphrase than the disk."""
    name = disk.key if disk.key in domain.volumes else f"{domain.name}/{disk.key}"
    return f"sudo pyvirt volume key add {name} --new-secret-file {domain.secret_file}"


def _from_definition(domain: DomainDefinition, disk: Encrypted) -> Secret:
    if domain.secret_file is None:
        what = f"{disk.word} needs its passphrase"
        hint = f"sudo pyvirt domain start {domain.name} --secret-file FILE"
        raise UserError(what, hint, "invalid")
    return secrets.read(Path(domain.secret_file), root=True)


def put(files: DomainFiles, given: Secrets) -> None:
    """Leave passphrases for the parent that is about to start."""
    files.run.mkdir(parents=True, exist_ok=True)
    files.secrets.unlink(missing_ok=True)
    if not given:
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(files.secrets, flags, 0o600), "wb") as file:
        file.write(msgspec.json.encode({key: bytes(secret) for key, secret in given.items()}))


def take(paths: Paths, domain: DomainDefinition) -> Secrets:
    """What `put` has left, which is gone then; without it, what the definition's file says.

    Encrypted disks get the size that the definition says: only now there is a passphrase. For the
    parent, to which systemd then gives the time that QEMU needs. UserError where a
    passphrase is missing.
    """
    files = DomainFiles(paths, domain.name)
    try:
        content = files.secrets.read_bytes()
        left = msgspec.json.decode(content, type=dict[str, bytes])
    except FileNotFoundError:
        left = {}
    except (OSError, *UNDECODABLE) as error:
        raise UserError(f"cannot read {files.secrets}: {error}") from None
    finally:
        files.secrets.unlink(missing_ok=True)
    found = {
        disk.key: Secret(left.get(disk.key) or _from_definition(domain, disk))
        for disk in needed(paths, domain)
    }
    for disk in domain.disks:
        if disk.encrypted:
            _enlarge(files, disk, found[disk.file])
    notify.notify(f"EXTEND_TIMEOUT_USEC={int((PATIENCE * len(found) + _START) * 1e6)}")
    return found


def _enlarge(files: DomainFiles, disk: DiskDefinition, secret: Secret) -> None:
    file = files.data / disk.file
    if luks.header(file).size < disk.size:
        luks.resize(file, f"{disk.file} of {files.name}", secret, disk.size)
