"""The QEMU process of a domain that runs, and its root folder. It knows no QMP."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

from leasewatch.errors import UNDECODABLE
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.domains import sandbox
from leasewatch.pyvirt.files import DomainFiles, domain_state
from nss_pyvirt.errors import UserError

MIGRATION: Final = "migration"
"""The folder in QEMU's root folder that holds the sockets of a migration."""


def pid(parent: int) -> int | None:
    """The QEMU process of a `pyvirt domain run`; None: it has not started, or has ended."""
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            # The program may have another name: a wrapper starts it, or ld.so.
            if b"\0-name\0guest=" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return None


def qemu_root(files: DomainFiles) -> Path:
    """The root folder of the domain's QEMU, as the host's root sees it (proc_pid_root(5)).

    UserError if it does not run.
    """
    state = domain_state(files)
    found = pid(state.pid) if state is not None else None
    if found is None:
        hint = f"sudo pyvirt domain start {files.name}"
        raise UserError(f"domain {files.name} is not running", hint, "not-running")
    return Path(f"/proc/{found}/root")


def definition(files: DomainFiles) -> DomainDefinition:
    """The definition with which QEMU was started; the domain's own may be newer."""
    try:
        return msgspec.json.decode(files.started.read_bytes(), type=DomainDefinition)
    except (OSError, *UNDECODABLE) as error:
        what = f"cannot read {files.started}: {error}"
        raise UserError(what, f"sudo pyvirt domain restart {files.name}") from error


def migration_folder(files: DomainFiles) -> Path:
    """The folder for sockets in QEMU's root folder, where it is /migration; made if missing."""
    folder = qemu_root(files) / MIGRATION
    if not folder.exists():
        folder.mkdir(mode=0o700)
        owner = sandbox.account(kvm=False)
        os.chown(folder, owner.uid, owner.gid)
    return folder
