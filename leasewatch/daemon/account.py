"""Become a service's user and keep one capability, as its unit does.

The owner of a service's folders may put anything there, so root must not use them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import stat
from pathlib import Path
from typing import Final, NamedTuple

from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError
from nss_pyvirt.users import DNS_USER, USER

_DAC_READ_SEARCH: Final = 2  # linux/capability.h
_NET_BIND_SERVICE: Final = 10
_VERSION_3: Final = 0x20080522
_PR_CAPBSET_DROP, _PR_SET_KEEPCAPS, _PR_SET_NO_NEW_PRIVS = 24, 8, 38  # linux/prctl.h


class Account(NamedTuple):
    """A user and its group."""

    uid: int
    gid: int


class Home(NamedTuple):
    """Whose process it is, and where it writes."""

    run: Path
    state: Path
    user: str
    """Who gets both folders if they are root's, or missing."""
    capability: int
    """The one that it keeps."""
    is_system: bool
    """Whether the folders are this system's, not below another root."""


def service(paths: Paths) -> Home:
    """Of `leasewatch serve`, which reads every lease file."""
    system = paths.root == Path("/")
    return Home(paths.service_run, paths.history.parent, USER, _DAC_READ_SEARCH, system)


def dns(paths: Paths) -> Home:
    """Of `leasewatch dns serve`, which listens on port 53."""
    system = paths.root == Path("/")
    return Home(paths.dns_run, paths.dns_state, DNS_USER, _NET_BIND_SERVICE, system)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


_Sets = ctypes.c_uint32 * 6
"""Effective, permitted and inheritable capabilities up to 31, then the same beyond."""


def settle(home: Home) -> None:
    """Make the run folder if it is missing; as root, become its owner for good.

    A folder keeps its owner. If that is root, or the folder is missing, it goes to the user of
    `home`, if that exists and the folders are this system's. Otherwise root runs the service.
    Raises OSError, or UserError if this process may not become that user.
    """
    user = _owner(home) if os.geteuid() == 0 else None
    if user is not None:
        for folder, mode in ((home.run, 0o755), (home.state, 0o750)):
            _make(folder, mode)
            _hand_over(folder, user)
        become(user, home)
    else:
        _make(home.run, 0o755)  # every program reads the table


def _owner(home: Home) -> Account | None:
    if home.run.exists() and (status := home.run.stat()).st_uid != 0:
        return Account(status.st_uid, status.st_gid)
    if home.is_system:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(home.user)
            return Account(entry.pw_uid, entry.pw_gid)
    return None


def _make(folder: Path, mode: int) -> None:
    """Make it with exactly that mode; the umask is ignored."""
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(mode)


def _hand_over(folder: Path, user: Account) -> None:
    """Give the user a folder of root's, and what root left there; another user's folder stays."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if os.fstat(fd).st_uid == 0:
            for name in os.listdir(fd):  # noqa: PTH208 (a descriptor is no path)
                _give(fd, name, user)
            os.fchown(fd, *user)
    finally:
        os.close(fd)


def become(account: Account, home: Home) -> None:
    """Become that user for good; raises UserError if this process may not."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        for number in range(64):
            if number != home.capability:
                libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setgroups([])
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
        _keep_capability(libc, home.capability)
    except OSError as error:
        what = f"cannot become user {account.uid}: {error.strerror}"
        raise UserError(what, f"start it as the user {home.user}", "needs-root") from None


def _keep_capability(libc: ctypes.CDLL, capability: int) -> None:
    """Keep the capability if root has it: a container may have taken it away."""
    header, sets = _Header(_VERSION_3, 0), _Sets()
    if libc.capget(ctypes.byref(header), sets):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    kept = sets[1] & 1 << capability
    sets = _Sets(kept, kept, 0, 0, 0, 0)
    if libc.capset(ctypes.byref(header), sets):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _give(folder: int, name: str, account: Account) -> None:
    """Give the user a file; not one with several names, which may be any user's."""
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode) and status.st_nlink == 1:
        os.chown(name, *account, dir_fd=folder, follow_symlinks=False)
