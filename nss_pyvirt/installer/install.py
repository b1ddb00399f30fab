"""Install the module, the service's files and the nsswitch entry into a system.

The nsswitch entry comes last, so that no program asks a module that is missing. If a step fails,
the earlier ones are undone. Returns what it did as lines; prints nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Final

from nss_pyvirt import users
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
    sandbox,
    ssh_config,
    tools,
)
from nss_pyvirt.installer.pieces import (
    DNS,
    DNS_KEYS,
    DNS_STATE,
    HISTORY,
    NSSWITCH,
    SYSTEM_FILES,
    UNIT,
    UP,
    System,
)
from nss_pyvirt.installer.remove import give_back_state

_WHERE: Final = "install the package with the system's Python, e.g. in a venv /opt/pyvirt"
_GLOBAL: Final = "sudo pipx install --global ./nss_pyvirt-*.whl, then: sudo nss-pyvirt install"
_RUNNING: Final = {"active", "activating", "reloading"}


def install(system: System, *, ssh: bool = False) -> list[str]:
    """Install every piece that is missing or outdated; one line for each change, none: no change.

    `ssh`: let ssh wait for domains that boot, from now on. Raises UserError, with nothing left
    changed, if a piece cannot be installed.
    """
    tools.need_root(system, "install")
    with tools.plain_errors(), ExitStack() as undo:
        _check(system)
        done = [line for step in _INSTALL for line in step(system, undo)]
        done += ssh_config.install(system, undo, wait=ssh)
        done += add_to_nsswitch(system, undo)
        undo.pop_all()
    return done


def add_to_nsswitch(system: System, undo: ExitStack) -> Iterator[str]:
    """Add the module to the hosts lines of nsswitch.conf that lack it."""
    before = pieces.nsswitch_text(system)
    after = nsswitch.install(before)
    if after == before:
        return
    path = system.at(NSSWITCH)
    if not path.exists():
        after = pieces.NSSWITCH_MADE + after
    undo.callback(rootfs.replace(path, after.encode(errors="surrogateescape"), 0o644))
    yield f"added {nsswitch.MODULE} to the hosts line of {path}"


def _check(system: System) -> None:
    if not system.root.is_dir():
        raise UserError(f"{system.root} is not a folder", code="invalid")
    if present := installation.packages(system.root):
        ours = installation.of(system.root, system.program)
        hint = f"{ours.uninstall}; to use this one instead: sudo apt remove {' '.join(present)}"
        raise UserError(f"apt has installed {', '.join(present)} already", hint, "exists")
    if system.booted or (system.has_systemd and not system.running):
        _check_program(system)
    text = pieces.nsswitch_text(system)
    if nsswitch.install(text) != text:
        authselect.refuse_if_managed(system.root, system.at(NSSWITCH), text, "install")


def _check_program(system: System) -> None:
    """The service must see its program, and the Python to which a virtual environment links."""
    python = system.at(str(PurePosixPath(system.program).with_name("python")))
    is_pipx = installation.of(system.root, system.program).kind == "pipx"
    for path in (system.program, f"/{python.relative_to(system.root)}"):
        if top := sandbox.of_users(path):
            what = f"{path} is below {top}, which the service cannot see"
            raise UserError(what, _GLOBAL if is_pipx else _WHERE, "invalid")
    program = system.at(system.program)
    if not program.exists():
        inside = f"install the package in it, then: sudo chroot {system.root} nss-pyvirt install"
        what = f"the service's program {program} does not exist"
        raise UserError(what, _WHERE if system.running else inside, "invalid")


def _install_module(system: System, undo: ExitStack) -> Iterator[str]:
    path = glibc.module_folder(system.root) / glibc.MODULE
    built = glibc.built_module().read_bytes()
    if path.exists() and path.read_bytes() == built:
        return
    undo.callback(tools.ldconfig, system)
    undo.callback(rootfs.replace(path, built, 0o644))
    tools.ldconfig(system)
    yield f"installed {path}"


def _install_users(system: System, undo: ExitStack) -> Iterator[str]:
    missing = [user for user in users.COMMENTS if not pieces.account(system, user)]
    for user in missing:
        undo.callback(tools.delete_user, system, user)
    lacks_group = not pieces.account(system, users.GROUP, "group")
    if lacks_group:
        undo.callback(tools.delete_group, system, users.GROUP)
    if missing or lacks_group:
        _add_users(system, missing, lacks_group=lacks_group)
    for user in missing:
        yield f"added the system user {user}"
    if users.DNS_USER in missing:
        _give_keys(system, users.DNS_USER)
    if lacks_group:
        yield f"added the system group {users.GROUP}: its members may administer the service"


def _give_keys(system: System, user: str) -> None:
    """Give the keys that an earlier `remove` has left to root to the user again."""
    account = pieces.account(system, user)
    for key in system.at(DNS_KEYS).glob("*.key"):
        if account and key.is_file() and not key.is_symlink() and key.stat().st_uid == 0:
            os.chown(key, int(account[2]), int(account[3]), follow_symlinks=False)


def _add_users(system: System, missing: Sequence[str], *, lacks_group: bool) -> None:
    rules = Path(__file__).parent / "system" / "nss-pyvirt.sysusers"
    if shutil.which("systemd-sysusers"):
        root = [] if system.running else [f"--root={system.root}"]
        tools.run("systemd-sysusers", *root, str(rules))
    elif shutil.which("useradd"):
        for user in missing:
            home = {users.USER: HISTORY, users.DNS_USER: DNS_STATE}.get(user, "/")
            tools.run("useradd", *tools.prefix(system), "--system", "--user-group",
                 "--no-create-home", "--home-dir", home, "--shell", "/usr/sbin/nologin",
                 "--comment", users.COMMENTS[user], user)  # fmt: skip
        if lacks_group:  # last: `remove` knows by the users that the group is ours
            tools.run("groupadd", *tools.prefix(system), "--system", users.GROUP)
    else:
        what = f"user {missing[0]}" if missing else f"group {users.GROUP}"
        raise UserError(
            f"found neither systemd-sysusers nor useradd to add {what}",
            f"add a system {what} by hand, then: sudo nss-pyvirt install",
            "missing",
        )


def _install_service(system: System, undo: ExitStack) -> Iterator[str]:
    """Install the unit and its companions; if systemd runs, start this version of the service."""
    if not system.has_systemd:
        return
    state = tools.output("systemctl", "is-active", UNIT) if system.booted else ""
    if system.booted:
        undo.callback(_put_back_service, state)
    changed = False
    units = [UNIT, UP, DNS]
    for name, place in system.system_files.items():
        path, content = system.at(place), pieces.system_file(name, system)
        former = path.read_bytes() if path.exists() else None
        if former == content:
            continue
        if former is not None and not pieces.is_ours(former):
            yield f"kept {path}, which was changed by hand"
            continue
        undo.callback(rootfs.make_folders(path.parent))
        undo.callback(rootfs.replace(path, content, 0o644))
        changed = True
        if former is None and name in pieces.SOCKETS:  # one that its owner has disabled stays so
            units.append(name)
        yield f"installed {path}"
    if system.booted:
        yield from _start_service(system, undo, state, units, changed=changed)
    else:
        yield from _enable_service(system, undo, units)


def _start_service(
    system: System, undo: ExitStack, state: str, units: Sequence[str], *, changed: bool
) -> Iterator[str]:
    """Start what is installed, now and at each boot; `state`: the service's before the install."""
    disabled = [unit for unit in units if not pieces.boot_link(system, unit).is_symlink()]
    if not disabled and state == "active" and not changed:
        return
    if not system.at(HISTORY).exists():
        undo.callback(lambda: list(give_back_state(system)))
    if state not in _RUNNING:
        undo.callback(tools.succeeds, "systemctl", "stop", DNS, UNIT)
    if disabled:
        undo.callback(tools.succeeds, "systemctl", "disable", *disabled)
        sockets = [unit for unit in disabled if unit in pieces.SOCKETS]
        if sockets:
            undo.callback(tools.succeeds, "systemctl", "stop", *sockets)
    tools.run("systemctl", "daemon-reload")
    tools.run("systemd-tmpfiles", "--create", SYSTEM_FILES[pieces.TMPFILES])
    if disabled:
        tools.run("systemctl", "enable", *disabled)
        yield f"enabled {', '.join(disabled[:-1])}{' and ' * (len(disabled) > 1)}{disabled[-1]}"
    if changed or state != "active":
        tools.run("systemctl", "restart", UNIT)
        yield f"{'restarted' if state in _RUNNING else 'started'} {UNIT}"
        yield from _start_dns()


def _start_dns() -> Iterator[str]:
    """Start the DNS process if the settings ask for it. If it fails, everything else is there."""
    if not tools.succeeds("systemctl", "restart", DNS):
        yield f"{DNS} does not start: see journalctl -u {DNS}"
    elif tools.output("systemctl", "is-active", DNS) == "active":
        yield f"started {DNS}"


def _enable_service(system: System, undo: ExitStack, units: Sequence[str]) -> Iterator[str]:
    """Enable the units without systemd, which does not run: they start at the next boot."""
    for unit in units:
        link = pieces.boot_link(system, unit)
        if link.is_symlink():
            continue
        undo.callback(rootfs.make_folders(link.parent))
        link.symlink_to(system.system_files[unit])
        undo.callback(link.unlink)
        yield f"enabled {unit}: it starts at the next boot"


def _put_back_service(state: str) -> None:
    """Restore the service's state, after its files were restored."""
    tools.succeeds("systemctl", "daemon-reload")
    if state in _RUNNING:
        tools.succeeds("systemctl", "restart", "--no-block", UNIT, DNS)


_INSTALL: Final[tuple[Callable[[System, ExitStack], Iterator[str]], ...]] = (
    _install_module,
    _install_users,
    _install_service,
    links.install,
    apparmor.install,
)
