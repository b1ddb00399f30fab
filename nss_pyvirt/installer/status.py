"""Check each piece of an installation and report its state. Changes nothing."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from nss_pyvirt import users
from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import glibc, nsswitch, pieces, ssh_config, tools
from nss_pyvirt.installer.pieces import SYSTEM_FILES, UNIT, UP, System


class Piece(NamedTuple):
    """One row of the status; `fix` is the command to type, empty if nothing is wrong."""

    piece: str
    state: str
    detail: str
    fix: str = ""


def status(system: System) -> list[Piece]:
    """Every piece that such a system should have, in the order in which a lookup needs them."""
    looks: list[Callable[[System], Piece]] = [_nsswitch, _module]
    if system.running:
        looks += [_snapshot, _service, _settings]
    if system.has_systemd:
        looks += [_unit, _boot]
    looks.append(_user)
    if ssh_config.is_read(system):
        looks.append(_ssh)
    return [look(system) for look in looks]


def _nsswitch(system: System) -> Piece:
    fault = nsswitch.fault(pieces.nsswitch_text(system))
    if fault:
        return Piece(
            "nsswitch", "hidden" if "hides" in fault else "missing", fault, _install(system)
        )
    return Piece("nsswitch", "ok", f"{nsswitch.MODULE} is asked before DNS")


def _module(system: System) -> Piece:
    try:
        path = glibc.module_folder(system.root) / glibc.MODULE
        built = glibc.built_module().read_bytes()
    except UserError as error:
        return Piece("module", "missing", error.what, error.hint)
    if not path.exists():
        return Piece("module", "missing", f"{path} does not exist", _install(system))
    if path.read_bytes() != built:
        return Piece("module", "other", f"{path} is from another version", _install(system))
    if system.running:
        try:
            ctypes.CDLL(str(path))
        except OSError as error:
            return Piece("module", "broken", str(error), "pip install --force-reinstall nss-pyvirt")
    return Piece("module", "ok", str(path))


def _user(system: System) -> Piece:
    found = {user: pieces.account(system, user) for user in users.COMMENTS}
    for user, account in found.items():
        if not account:
            return Piece("user", "missing", f"there is no user {user}", _install(system))
    uids = "; ".join(f"{user}, uid {account[2]}" for user, account in found.items())
    return Piece("user", "ok", uids)


def _ssh(system: System) -> Piece:
    """Whether ssh verifies the first login to a domain of pyvirt."""
    current = ssh_config.is_current(system)
    if current is None:
        return Piece("ssh", "missing", f"{ssh_config.PLACE} does not exist", _install(system))
    if not current:
        fault = f"{ssh_config.PLACE} was written by another version"
        return Piece("ssh", "outdated", fault, _install(system))
    return Piece("ssh", "ok", "the first login to a domain is verified")


def _settings(system: System) -> Piece:
    """Whether the service's program finds a fault in its settings."""
    path = system.at(pieces.SETTINGS)
    if not path.exists():
        return Piece("settings", "ok", f"defaults: {path} does not exist")
    if not system.at(system.program).exists():
        return Piece("settings", "unchecked", f"{system.program} is missing", _install(system))
    found = tools.complaint(system.program, "serve", "--check")
    if found is not None:
        return Piece("settings", "faulty", found.what, found.hint)
    return Piece("settings", "ok", str(path))


def _unit(system: System) -> Piece:
    changed = []
    for name, place in SYSTEM_FILES.items():
        path = system.at(place)
        content = path.read_bytes() if path.exists() else None
        if content is None:
            return Piece("unit", "missing", f"{path} does not exist", _install(system))
        by_hand = not pieces.is_ours(content)
        ours = {pieces.system_file(name, system, is_build_known=known) for known in (True, False)}
        if not by_hand and content not in ours:
            return _other_unit(system, path, content)
        changed += [path.name] * by_hand
    by_whom = f"; changed by hand: {', '.join(changed)}" if changed else ""
    return Piece("unit", "ok", f"{system.at(SYSTEM_FILES[UNIT])} and pyvirt*{by_whom}")


def _other_unit(system: System, path: Path, content: bytes) -> Piece:
    """A file of ours that is not of this version: say whose, and which command renews it."""
    program = pieces.program_of(content)
    if program in {"", system.program} or not system.at(program).exists():
        fault = f"{path} was written by another version"
        return Piece("unit", "outdated", fault, _install(system))
    fault = f"{path} runs {program}; this nss-pyvirt belongs to {system.program}"
    return Piece("unit", "other", fault, f"{PurePosixPath(program).with_name('nss-pyvirt')} status")


def _boot(system: System) -> Piece:
    if pieces.boot_link(system, UP).is_symlink():
        return Piece("boot", "ok", f"{UP} starts networks and domains")
    fault = "networks and domains of pyvirt do not start at boot"
    return Piece("boot", "disabled", fault, _install(system))


def _service(system: System) -> Piece:
    if pieces.service_answers(system):
        if system.booted and not pieces.boot_link(system, UNIT).is_symlink():
            fault = "answers, but does not start at boot"
            return Piece("service", "disabled", fault, _install(system))
        return Piece("service", "ok", "answers")
    fault = "new leases are not published; known names work until their leases expire"
    return Piece("service", "down", fault, pieces.start_command())


def _snapshot(system: System) -> Piece:
    from nss_pyvirt import snapshot  # noqa: PLC0415  it needs the C part, the rest does not

    path = system.at(pieces.SNAPSHOT)
    if not path.exists():
        return Piece("snapshot", "missing", f"{path} does not exist", pieces.start_command())
    try:
        summary = snapshot.check(path)
    except UserError as error:
        return Piece("snapshot", "damaged", error.what, pieces.start_command())
    age = max(0, int(time.time()) - summary.published)
    hosts = "1 host" if summary.hosts == 1 else f"{summary.hosts} hosts"
    return Piece("snapshot", "ok", f"{hosts}, published {age} s ago")


def _install(system: System) -> str:
    return "sudo nss-pyvirt install" + ("" if system.running else f" --root {system.root}")
