"""Undo an installation; what somebody else has changed since is left alone.

Returns what it did as lines; prints nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from nss_pyvirt import programs, users
from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import (
    apparmor,
    authselect,
    glibc,
    installation,
    links,
    nsswitch,
    pieces,
    rootfs,
    ssh_config,
    tools,
)
from nss_pyvirt.installer.pieces import (
    DNS,
    DNS_KEYS,
    DNS_STATE,
    HISTORY,
    NSSWITCH,
    SOCKETS,
    SYSTEM_FILES,
    UNIT,
    UP,
    System,
)

_WITHDRAW_TIMEOUT: Final = 15  # seconds, for a name server that may be away
_DATA: Final = {
    HISTORY: "the lease history",
    DNS_STATE: "the state of DNS zones",
    "/etc/pyvirt": "settings, networks, domains and TSIG keys",
    "/var/lib/pyvirt": "images, volumes and the disks of domains",
    "/run/pyvirt": "the state of pyvirt",
}


def remove(system: System, *, purge: bool = False) -> list[str]:
    """Undo what `install` did and delete the published table; the lines say what was done.

    `purge` deletes settings and data, too; UserError, with nothing changed, while a network or
    domain is started. What Debian's packages own stays. Stops at the first step that fails
    (UserError); the earlier steps stay done, and may be repeated.
    """
    tools.need_root(system, "remove")
    names = ", ".join(f"{kind} {name}" for kind, name in pieces.started(system))
    if purge and names:
        what = f"--purge would delete what is still started: {names}"
        raise UserError(what, "sudo pyvirt down", "running")
    with tools.plain_errors():
        packages = installation.packages(system.root)
        done = [
            line
            for step, package in _REMOVE.items()
            if package not in packages and (purge or step is not _delete_data)
            for line in step(system)
        ]
    return done + [f"kept what belongs to Debian's packages {', '.join(packages)}"] * bool(packages)


def _stop_service(system: System) -> Iterator[str]:
    places = SYSTEM_FILES | SOCKETS
    for unit in (*SOCKETS, DNS, UNIT, UP):  # a lookup would start the service again
        link = pieces.boot_link(system, unit)
        if system.booted and system.at(places[unit]).exists():
            tools.run("systemctl", "disable", "--now", unit)
            yield f"{'' if unit == UP else 'stopped and '}disabled {unit}"
        elif not system.booted and link.is_symlink():
            link.unlink()
            rootfs.remove_if_empty(link.parent)
            yield f"disabled {unit}"
    if pieces.any_answers(system):
        raise UserError(
            "a leasewatch service that was started by hand is running",
            "press Ctrl-C there, or: pkill -f 'leasewatch.* serve'; then: sudo nss-pyvirt remove",
            "running",
        )


def _withdraw_names(system: System) -> Iterator[str]:
    """Have the names deleted that [dns.update] has put into another server's zone, if it answers.

    The DNS process notes them in a file.
    """
    if not system.running or not any(system.at(DNS_STATE).glob("*.names")):
        return
    try:
        done = programs.run([system.program, "dns", "withdraw"], timeout=_WITHDRAW_TIMEOUT)
    except UserError as error:
        yield f"kept the names in the zone of [dns.update]: {error.what}"
        return
    if done.returncode == 0:
        yield from done.stdout.splitlines()[:1]
    else:
        why = [*done.stderr.splitlines(), "failed"][0].removeprefix("leasewatch: ")
        yield f"kept the names in the zone of [dns.update]: {why}"


def _remove_nsswitch(system: System) -> Iterator[str]:
    path = system.at(NSSWITCH)
    if not path.exists():
        return
    before = pieces.nsswitch_text(system)
    after = nsswitch.remove(before)
    if after == before:
        return
    authselect.refuse_if_managed(system.root, path, before, "remove")
    content = after.removeprefix(pieces.NSSWITCH_MADE).encode(errors="surrogateescape")
    vendor = system.at(pieces.VENDOR_NSSWITCH)
    former = vendor.read_bytes() if vendor.exists() else b""
    if after.startswith(pieces.NSSWITCH_MADE) and content == former:
        path.unlink()
    else:
        rootfs.replace(path, content, 0o644)
    yield f"removed {nsswitch.MODULE} from {path}"


def _remove_system_files(system: System) -> Iterator[str]:
    runs = pieces.service_program(system)
    for place in (SYSTEM_FILES | SOCKETS).values():
        yield from tools.remove_ours(system.at(place))
    rootfs.remove_if_empty(system.at(SYSTEM_FILES[pieces.PRESET]).parent)
    if system.booted:
        tools.run("systemctl", "daemon-reload")
        if pieces.service_program(system) not in {"", runs}:  # the one of the Debian package
            tools.run("systemctl", "try-restart", UNIT, DNS)
        rootfs.remove_if_empty(Path(pieces.HOOKS))


def _remove_module(system: System) -> Iterator[str]:
    path = glibc.module_folder(system.root) / glibc.MODULE
    if path.exists():
        path.unlink()
        tools.ldconfig(system)
        yield f"removed {path}"


def _delete_data(system: System) -> Iterator[str]:
    for place, name in _DATA.items():
        folder = system.at(place)
        if folder.exists():
            shutil.rmtree(folder)
            yield f"deleted {name} {folder}"


def give_back_state(system: System) -> Iterator[str]:
    """Delete the published tables; keep what is data, and give it to root."""
    for place in (pieces.RUN, pieces.DNS_RUN):
        run = system.at(place)
        if run.exists():
            shutil.rmtree(run)
            yield f"removed {run}"
    kept = {HISTORY: "lease history", DNS_STATE: "state of DNS zones", DNS_KEYS: "TSIG keys"}
    for place, name in kept.items():
        folder = system.at(place)
        if folder.exists() and not rootfs.remove_if_empty(folder) and _give_to_root(folder):
            yield f"kept the {name} {folder}, now owned by root"
    for made in _tmpfiles_folders():
        rootfs.remove_if_empty(system.at(made))


def _give_to_root(folder: Path) -> bool:
    """Give it away with everything in it; False: all of it is root's already."""
    changed = False
    for _, folders, files, fd in os.fwalk(folder, topdown=False):
        for name in (*folders, *files):
            if os.stat(name, dir_fd=fd, follow_symlinks=False).st_uid != 0:
                os.chown(name, 0, 0, dir_fd=fd, follow_symlinks=False)
                changed = True
    if folder.stat().st_uid != 0:
        os.chown(folder, 0, 0)
        changed = True
    return changed


def _remove_users(system: System) -> Iterator[str]:
    """Remove the users that have our comment, and the group, which came with them."""
    accounts = {user: pieces.account(system, user) for user in users.COMMENTS}
    are_ours = any(accounts[user][4:5] == [comment] for user, comment in users.COMMENTS.items())
    group = pieces.account(system, users.GROUP, "group")
    if group and are_ours and not _is_primary(system, group[2]):
        tools.delete_group(system, users.GROUP)
        yield f"removed the system group {users.GROUP}"
    for user, comment in users.COMMENTS.items():
        account = accounts[user]
        if not account:
            continue
        if account[4:5] != [comment]:
            yield f"kept the user {user}, which somebody else created"
            continue
        if user == users.QEMU_USER and any(kind == "domain" for kind, _ in pieces.started(system)):
            yield f"kept the user {user}, which runs domains: stop them, and remove again"
            continue
        tools.delete_user(system, user)
        yield f"removed the system user {user}"


def _is_primary(system: System, gid: str) -> bool:
    """Whether some user's own group has that number."""
    lines = system.at("/etc/passwd").read_text(errors="replace").splitlines()
    return any(line.split(":")[3:4] == [gid] for line in lines)


def _tmpfiles_folders() -> list[str]:
    rules = pieces.packaged(pieces.TMPFILES).decode().splitlines()
    return sorted((rule.split()[1] for rule in rules), reverse=True)


_REMOVE: Final[dict[Callable[[System], Iterator[str]], str]] = {
    _stop_service: "leasewatch",
    _withdraw_names: "leasewatch",
    _delete_data: "leasewatch",
    _remove_nsswitch: "libnss-pyvirt",
    _remove_system_files: "",
    _remove_module: "libnss-pyvirt",
    apparmor.remove: "libnss-pyvirt",
    links.remove: "",
    ssh_config.remove: "pyvirt",
    give_back_state: "leasewatch",
    _remove_users: "leasewatch",
}
"""Each step, in order, and the Debian package whose pieces it would remove."""
