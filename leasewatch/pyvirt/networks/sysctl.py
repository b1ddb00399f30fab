"""Kernel settings that networks share: changed only if needed, restored by the last network.

A ledger in the run folder lists the networks that need them and the former values.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from leasewatch.files import locks
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError

_LOCK_TIMEOUT = 10.0
_ROOT = Path("/proc/sys")
_IPV6 = "net/ipv6/conf"
_FORWARD4, _FORWARD6 = "net/ipv4/ip_forward", f"{_IPV6}/all/forwarding"


class _Change(msgspec.Struct, frozen=True):
    key: str
    before: str
    ours: str


class _Ledger(msgspec.Struct, frozen=True):
    users: tuple[str, ...] = ()
    changes: tuple[_Change, ...] = ()
    devices: tuple[str, ...] = ()
    """Interfaces that existed before the first change; later ones began with `default`'s."""


def forwarding() -> dict[str, str]:
    """The settings that routing for guests needs, to be set in this order.

    An interface that forwards ignores router advertisements, and the kernel drops the routes it has
    learnt from them, unless accept_ra is 2 first (ip-sysctl.rst). So every interface that listens
    now gets 2, with or without a router, and so does `default`, for later ones. Where accept_ra is
    0, a daemon handles advertisements or they are not wanted.
    """
    listening = [
        device
        for device in _devices(_IPV6)
        if _get(f"{_IPV6}/{device}/accept_ra") == "1"
        and _get(f"{_IPV6}/{device}/forwarding") == "0"
    ]
    wanted = {f"{_IPV6}/{device}/accept_ra": "2" for device in listening}
    return wanted | {_FORWARD4: "1", _FORWARD6: "1"}


def apply(ledger: Path, user: str, wanted: Mapping[str, str]) -> None:
    """Set `wanted` (paths below /proc/sys, in this order) for the network `user`.

    The ledger is written before the first change, so no crash loses a former value.
    """
    with locks.exclusive(ledger.with_name("lock"), _LOCK_TIMEOUT):
        book = _read(ledger)
        differing = [
            (key, now, value) for key, value in wanted.items() if (now := _get(key)) != value
        ]
        known = {change.key for change in book.changes}
        fresh = [
            change
            for each in differing
            if each[0] not in known
            for change in (*_dragged_along(each[0]), _Change(*each))
        ]
        users = (*(other for other in book.users if other != user), user)
        devices = book.devices or tuple(_devices(_IPV6))
        book = _Ledger(users, (*book.changes, *fresh), devices)
        replacing.replace(ledger, msgspec.json.encode(book))
        for key, _, value in differing:
            _set(key, value)


def restore(ledger: Path, user: str) -> None:
    """Forget `user`; the last one restores every value that is still as we set it."""
    with locks.exclusive(ledger.with_name("lock"), _LOCK_TIMEOUT):
        book = _read(ledger)
        users = tuple(other for other in book.users if other != user)
        if users:
            book = _Ledger(users, book.changes, book.devices)
            replacing.replace(ledger, msgspec.json.encode(book))
            return
        unchanged = [
            (key, change.before)
            for change in reversed(book.changes)
            for key in (change.key, *_heirs(change.key, book.devices))
            if _get(key) == change.ours
        ]
        for key, before in unchanged:
            if _get(key) != before:
                _set(key, before)
        ledger.unlink(missing_ok=True)


def _dragged_along(key: str) -> list[_Change]:
    """The settings that the kernel changes along when `key` is set.

    Either key sets forwarding of each interface and of `default`. That of IPv4 also changes
    accept_redirects (ip-sysctl.rst).
    """
    if key not in (_FORWARD4, _FORWARD6):
        return []
    conf = _IPV6 if key == _FORWARD6 else "net/ipv4/conf"
    kept = {f"{conf}/{device}/forwarding": "1" for device in _devices(conf)}
    if key == _FORWARD4:
        kept["net/ipv4/conf/all/accept_redirects"] = "0"
    return [_Change(each, value, value) for each, value in kept.items() if _get(each) == value]


def _devices(conf: str) -> list[str]:
    """The interfaces and `default`, without `all`, which means something else in each setting."""
    folders = (_ROOT / conf).iterdir()
    return sorted(folder.name for folder in folders if folder.name != "all")


def _heirs(key: str, former: Collection[str]) -> list[str]:
    """If `key` is one of `default`: the same setting of each new interface."""
    head, found, setting = key.partition("/default/")
    new = [device for device in _devices(head) if device not in former] if found else []
    return [f"{head}/{device}/{setting}" for device in new]


def _get(key: str) -> str:
    """The value; empty if the setting has vanished with its interface."""
    with contextlib.suppress(FileNotFoundError):
        return (_ROOT / key).read_text().strip()
    return ""


def _set(key: str, value: str) -> None:
    try:
        (_ROOT / key).write_text(value)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"cannot set {_ROOT / key} to {value}: {error.strerror}") from error


def _read(ledger: Path) -> _Ledger:
    with contextlib.suppress(FileNotFoundError):
        return msgspec.json.decode(ledger.read_bytes(), type=_Ledger)
    return _Ledger()
