"""Carry out `pyvirt domain set`: settings in, a changed domain out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.defined.setting import Setting
from leasewatch.pyvirt.domains import disk_changes, parts, probe
from leasewatch.pyvirt.domains.change import Changed, DomainChanges
from leasewatch.pyvirt.domains.checks import check_file
from leasewatch.pyvirt.domains.machines import MACHINES
from leasewatch.pyvirt.images.known import Image
from leasewatch.pyvirt.images.store import Images
from nss_pyvirt.errors import UserError


def apply(paths: Paths, name: str, settings: Sequence[Setting]) -> Changed:
    """Change the domain `name` by all of the settings, in their order; UserError changes nothing.

    A new disk's image is copied before anything is locked, since that takes long.
    """
    changes = DomainChanges(paths)
    changes.get(name)  # before a long copy
    with contextlib.ExitStack() as held:
        images = {}
        for path in _new_disks(settings):
            check_file(path, "image")
            images[path] = held.enter_context(Images(paths).taken(path))

        def make(domain: DomainDefinition) -> DomainDefinition:
            for setting in settings:
                domain = _after(paths, domain, setting, images)
            return domain

        return changes.change(name, make)


def _new_disks(settings: Iterable[Setting]) -> set[Path]:
    """The absolute paths of the images of further disks."""
    lists = (one.value for one in settings if (one.key, one.sign) == ("disk", "+="))
    return {_real(path) for paths in lists for path in paths}


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _after(
    paths: Paths, domain: DomainDefinition, setting: Setting, images: dict[Path, Image]
) -> DomainDefinition:
    """The domain after one change."""
    if setting.key == "size":
        return disk_changes.enlarged(domain, setting.value)
    if setting.key == "disk":
        if setting.sign == "+=":
            files = [_real(path) for path in setting.value]
            return disk_changes.added(domain, [(file, images[file]) for file in files])
        for path in setting.value:
            domain = disk_changes.removed(domain, path)
        return domain
    if setting.key == "machine":
        return msgspec.structs.replace(domain, machine=_machine(paths, domain, setting.value))
    if setting.key in parts.KEYS:
        return _with_list(paths, domain, setting)
    return msgspec.structs.replace(domain, **{setting.key.replace("-", "_"): setting.value})


def _machine(paths: Paths, domain: DomainDefinition, wanted: str) -> str:
    """The machine type in words that do not change; UserError where QEMU has none of that name."""
    known = probe.look(paths, domain.arch)
    if wanted in ("", MACHINES[domain.arch].newest):
        return known.machine
    if wanted not in known.machines:
        version = probe.spelt(known.version)
        what = f"machine: QEMU {version} has no {wanted}; its newest is {known.machine}"
        raise UserError(what, f"sudo pyvirt domain set {domain.name} machine=", "invalid")
    return wanted


def _with_list(paths: Paths, domain: DomainDefinition, setting: Setting) -> DomainDefinition:
    there = parts.present(domain, setting.key)
    try:
        wanted = setting.of(there)
    except ValueError as error:
        hint = f"it has: {', '.join(there)}" if there else f"pyvirt domain show {domain.name}"
        what = f"domain {domain.name} has no {setting.key} {error}"
        raise UserError(what, hint, "not-found") from None
    return parts.replaced(paths, domain, setting.key, wanted)
