"""Kernel settings that networks share: changed only where needed, given back by the last of them.

The ledger, a file in the run folder, says who needs them and what they were.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from leasewatch.io import files, place
from nss_pyvirt.errors import UserError

_LOCK_TIMEOUT = 10.0


class _Change(msgspec.Struct, frozen=True):
    key: str
    before: str
    ours: str


class _Ledger(msgspec.Struct, frozen=True):
    users: tuple[str, ...] = ()
    changes: tuple[_Change, ...] = ()


def forwarding(devices_with_ra_routes: Iterable[str]) -> dict[str, str]:
    """What routing for guests takes, in this order.

    Forwarding makes the kernel end IPv6 routes learnt by router advertisement, the host's own
    default route among them, unless their interfaces have accept_ra=2 first (ip-sysctl.rst).
    """
    wanted = {}
    for device in devices_with_ra_routes:
        key = f"net/ipv6/conf/{device}/accept_ra"
        if _get(key) == "1":  # 0: a daemon handles advertisements itself
            wanted[key] = "2"
    return wanted | {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"}


def take(ledger: Path, user: str, wanted: Mapping[str, str]) -> None:
    """Set `wanted` (paths below /proc/sys, in this order) on behalf of `user`.

    The ledger is written before the first change, so that no crash forgets a value.
    """
    with place.exclusive(ledger.with_name("lock"), _LOCK_TIMEOUT):
        book = _read(ledger)
        differing = [
            (key, now, value) for key, value in wanted.items() if (now := _get(key)) != value
        ]
        known = {change.key for change in book.changes}
        fresh = [_Change(*each) for each in differing if each[0] not in known]
        users = (*(other for other in book.users if other != user), user)
        _write(ledger, _Ledger(users, (*book.changes, *fresh)))
        for key, _, value in differing:
            _set(key, value)


def give_back(ledger: Path, user: str) -> None:
    """`user` needs them no more; the last one restores what nobody else has changed since."""
    with place.exclusive(ledger.with_name("lock"), _LOCK_TIMEOUT):
        book = _read(ledger)
        users = tuple(other for other in book.users if other != user)
        if users:
            _write(ledger, _Ledger(users, book.changes))
            return
        for change in reversed(book.changes):
            if _get(change.key) == change.ours:
                _set(change.key, change.before)
        ledger.unlink(missing_ok=True)


def _get(key: str) -> str:
    """The value, or nothing where the setting is gone (its interface may be)."""
    with contextlib.suppress(FileNotFoundError):
        return Path("/proc/sys", key).read_text().strip()
    return ""


def _set(key: str, value: str) -> None:
    try:
        Path("/proc/sys", key).write_text(value)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"cannot set /proc/sys/{key} to {value}: {error.strerror}") from error


def _read(ledger: Path) -> _Ledger:
    with contextlib.suppress(FileNotFoundError):
        return msgspec.json.decode(ledger.read_bytes(), type=_Ledger)
    return _Ledger()


def _write(ledger: Path, book: _Ledger) -> None:
    files.replace(ledger, msgspec.json.encode(book))
