"""Check each piece of an installation and report its state. Changes nothing."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

from nss_pyvirt import users
from nss_pyvirt.checks import Row
from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import (
    apparmor,
    glibc,
    installation,
    nsswitch,
    pieces,
    ssh_config,
    tools,
    which,
)
from nss_pyvirt.installer.pieces import SYSTEM_FILES, UNIT, UP, System
from nss_pyvirt.terminal import show

_UNITS: Final = "leasewatch.service, leasewatch-dns.service and pyvirt*"


def status(system: System) -> list[Row]:
    """Every piece that such a system should have, in the order in which a lookup needs them."""
    looks: list[Callable[[System], Row]] = [_nsswitch, _module]
    if system.running:
        looks.insert(0, which.check)
        looks += [_snapshot, _service, _settings]
    has_pyvirt = not _is_deb(system) or "pyvirt" in installation.packages(system.root)
    if system.has_systemd:
        looks += [_unit, *[_boot] * has_pyvirt]
    looks.append(_user)
    if has_pyvirt and ssh_config.is_read(system):
        looks.append(_ssh)
    if apparmor.is_read(system):
        looks.append(_apparmor)
    return [look(system) for look in looks]


def _nsswitch(system: System) -> Row:
    fault = nsswitch.fault(pieces.nsswitch_text(system))
    if fault:
        fix = "sudo nss-pyvirt install" if _is_deb(system) else _install(system)
        return Row("bad", "nsswitch", fault, fix)
    return Row("ok", "nsswitch", f"{nsswitch.MODULE} is asked before DNS")


def _module(system: System) -> Row:
    try:
        path = glibc.module_folder(system.root) / glibc.MODULE
        built = glibc.built_module().read_bytes()
    except UserError as error:
        return Row("bad", "module", error.what, error.hint)
    if not path.exists():
        return Row("bad", "module", f"{path} does not exist", _install(system, "libnss-pyvirt"))
    if path.read_bytes() != built:
        return Row("bad", "module", f"{path} is from another version", _install(system))
    if system.running:
        try:
            ctypes.CDLL(str(path))
        except OSError as error:
            return Row("bad", "module", str(error), _install(system, "libnss-pyvirt"))
    return Row("ok", "module", str(path))


def _user(system: System) -> Row:
    found = {user: pieces.account(system, user) for user in users.COMMENTS}
    if _is_deb(system) and not found[users.QEMU_USER]:
        del found[users.QEMU_USER]  # it comes with the package pyvirt
    for user, account in found.items():
        if not account:
            return Row("bad", "user", f"there is no user {user}", _install(system))
    uids = "; ".join(f"{user}, uid {account[2]}" for user, account in found.items())
    return Row("ok", "user", uids)


def _ssh(system: System) -> Row:
    """Whether ssh verifies the first login to a domain of pyvirt."""
    current = ssh_config.is_current(system)
    if current is None:
        fix = _install(system, "pyvirt")
        return Row("bad", "ssh", f"{ssh_config.PLACE} does not exist", fix)
    if not current:
        fault = f"{ssh_config.PLACE} was written by another version"
        return Row("bad", "ssh", fault, _install(system))
    waits = ", and ssh waits for one that boots" * ssh_config.waits(system)
    return Row("ok", "ssh", f"the first login to a domain is verified{waits}")


def _apparmor(system: System) -> Row:
    """Whether programs that AppArmor confines may read the tables."""
    current = apparmor.is_current(system)
    if current is None:
        fix = _install(system, "libnss-pyvirt")
        return Row("bad", "apparmor", f"{apparmor.PLACE} does not exist", fix)
    if not current:
        fault = f"{apparmor.PLACE} was written by another version"
        return Row("bad", "apparmor", fault, _install(system))
    return Row("ok", "apparmor", "confined programs may ask the module")


def _settings(system: System) -> Row:
    """Whether the service's program finds a fault in its settings."""
    path = system.at(pieces.SETTINGS)
    if not path.exists():
        return Row("ok", "settings", f"defaults: {path} does not exist")
    if not system.at(system.program).exists():
        return Row("bad", "settings", f"{system.program} is missing", _install(system))
    found = tools.complaint(system.program, "serve", "--check")
    if found is not None:
        return Row("bad", "settings", found.what, found.hint)
    return Row("ok", "settings", str(path))


def _unit(system: System) -> Row:
    if _is_deb(system):
        return _packaged_unit(system)
    changed = []
    for name, place in system.system_files.items():
        path = system.at(place)
        content = path.read_bytes() if path.exists() else None
        if content is None:
            return Row("bad", "unit", f"{path} does not exist", _install(system))
        by_hand = not pieces.is_ours(content)
        ours = {pieces.system_file(name, system, is_build_known=known) for known in (True, False)}
        if not by_hand and content not in ours:
            return _other_unit(system, path, content)
        changed += [path.name] * by_hand
    by_whom = f"; changed by hand: {', '.join(changed)}" if changed else ""
    return Row("ok", "unit", f"{_UNITS} in {system.at(SYSTEM_FILES[UNIT]).parent}{by_whom}")


def _other_unit(system: System, path: Path, content: bytes) -> Row:
    """A file of ours that is not of this version: say whose, and which command renews it."""
    program = pieces.program_of(content)
    if program in {"", system.program} or not system.at(program).exists():
        fault = f"{path} was written by another version"
        return Row("bad", "unit", fault, _install(system))
    fault = f"{path} runs {program}; this nss-pyvirt belongs to {system.program}"
    return Row("bad", "unit", fault, f"{PurePosixPath(program).with_name('nss-pyvirt')} status")


def _packaged_unit(system: System) -> Row:
    """The unit of the Debian package, unless a file of another installation hides it."""
    for place in (pieces.SYSTEM_FILES | pieces.SOCKETS).values():
        path = system.at(place)
        if path.exists() and pieces.is_ours(content := path.read_bytes()):
            program = pieces.program_of(content) or pieces.service_program(system)
            fix = f"sudo {PurePosixPath(program).with_name('nss-pyvirt')} remove"
            if not system.at(program).exists():
                fix = f"sudo rm {path} && sudo systemctl daemon-reload"
            return Row("bad", "unit", f"{path} hides the one of the Debian package", fix)
    if not pieces.service_program(system):
        return Row("bad", "unit", f"there is no {UNIT}", installation.repair("leasewatch"))
    return Row("ok", "unit", f"{_UNITS} in {pieces.DEB_UNITS}")


def _boot(system: System) -> Row:
    if pieces.boot_link(system, UP).is_symlink():
        return Row("ok", "boot", f"{UP} starts networks and domains")
    fault = "networks and domains of pyvirt do not start at boot"
    return Row("bad", "boot", fault, _enable(system, UP))


def _service(system: System) -> Row:
    if pieces.service_answers(system):
        if system.booted and not pieces.boot_link(system, UNIT).is_symlink():
            fault = "answers, but does not start at boot"
            return Row("bad", "service", fault, _enable(system, UNIT))
        return Row("ok", "service", "answers")
    fault = "new leases are not published; known names work until their leases expire"
    return Row("bad", "service", fault, pieces.start_command())


def _snapshot(system: System) -> Row:
    from nss_pyvirt import snapshot  # noqa: PLC0415  it needs the C part, the rest does not

    path = system.at(pieces.SNAPSHOT)
    if not path.exists():
        return Row("bad", "snapshot", f"{path} does not exist", pieces.start_command())
    try:
        summary = snapshot.check(path)
    except UserError as error:
        return Row("bad", "snapshot", error.what, pieces.start_command())
    age = show.age(summary.published, time.time())
    ago = "just now" if age == "now" else f"{age} ago"
    hosts = "1 host" if summary.hosts == 1 else f"{summary.hosts} hosts"
    return Row("ok", "snapshot", f"{hosts}, generation {summary.generation}, published {ago}")


def _is_deb(system: System) -> bool:
    return installation.of(system.root, system.program).kind == "deb"


def _enable(system: System, unit: str) -> str:
    return f"sudo systemctl enable {unit}" if _is_deb(system) else _install(system)


def _install(system: System, package: str = "leasewatch") -> str:
    """The command that puts a piece back; `package`: the Debian one that has it."""
    if not system.running:
        return f"sudo nss-pyvirt install --root {system.root}"
    if not _is_deb(system) and installation.packages(system.root):
        return installation.of(system.root, system.program).uninstall  # apt's pieces are another's
    return installation.repair(package)
