"""LUKS inside qcow2: make files, check passphrases, change key slots. All by qemu-img."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from leasewatch.pyvirt.images import qemu_img
from nss_pyvirt.errors import UserError

_PATIENCE = 180.0
"""Seconds: each of eight slots makes one try of a passphrase last for some seconds on purpose."""
_UNMEASURED = "Unable to get accurate CPU usage"
"""QEMU 7.2.15 to 9.2 on a fast host, in a third of the calls: it measured 0 ms of its own work."""
_TRIES = 30
_HEAD = 36
_LUKS = 2
_OPENS, _NEW = "opens", "new"


class Header(NamedTuple):
    """What the first bytes of a qcow2 file say."""

    size: int
    """Bytes that a guest sees."""
    is_encrypted: bool


def header(file: Path) -> Header:
    """What a qcow2 file is (docs/interop/qcow2.txt of QEMU); UserError if it is none."""
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD)
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}", code="not-found") from error
    if len(head) < _HEAD or head[:4] != b"QFI\xfb":
        raise UserError(f"{file} is no qcow2 file", "put that file back", "invalid")
    size, method = head[24:32], head[32:36]
    return Header(int.from_bytes(size), int.from_bytes(method) == _LUKS)


def create(
    file: Path,
    size: int,
    secret: bytes | None,
    *,
    base: tuple[Path, str] | None = None,
    iter_time: int | None = None,
) -> None:
    """Make a qcow2 file that only root can read, encrypted if there is a secret.

    `base`: path and format of what is beneath it. `iter_time`: milliseconds that one try of the
    passphrase takes on this host; None: 2000. A failure leaves no file.
    """
    argv = [qemu_img.PROGRAM, "create", "-q", "-f", "qcow2"]
    if base is not None:
        argv += ["-b", str(base[0]), "-F", base[1]]
    if secret is not None:
        options = ["encrypt.format=luks", f"encrypt.key-secret={_OPENS}"]
        argv += ["-o", ",".join([*options, *_iterations(iter_time)])]
    try:
        file.touch(0o600, exist_ok=False)
        argv += [str(file), str(size)]
        _run(argv, f"cannot make {file}", secret, again=lambda: file.touch(0o600))
    except FileExistsError:
        raise UserError(f"{file} already exists", "move it away", "exists") from None
    except OSError as error:
        raise UserError(f"cannot make {file}: {error.strerror}") from error
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def check(file: Path, what: str, secret: bytes) -> None:
    """UserError unless the secret opens the file, which messages call `what`."""
    argv = [qemu_img.PROGRAM, "map", "-U", "--output=json", "--max-length=512"]
    argv += ["--image-opts", _opened(file)]
    _run(argv, f"cannot open {what}", secret, what)


def slots(file: Path) -> list[bool]:
    """Which key slots have a passphrase."""
    printed = qemu_img.run(qemu_img.info_command(file), f"cannot read {file}")
    data: Any = qemu_img.parse_info(printed).specific.get("data", {})
    return [bool(slot["active"]) for slot in data.get("encrypt", {}).get("slots", [])]


def add(file: Path, what: str, secret: bytes, new: bytes, iter_time: int | None = None) -> None:
    """Let `new` open the file, too; UserError if all slots have a passphrase."""
    if all(slots(file)):
        hint = "remove one: sudo pyvirt volume key remove NAME"
        raise UserError(f"all key slots of {what} have a passphrase", hint, "invalid")
    options = ["encrypt.state=active", f"encrypt.new-secret={_NEW}", *_iterations(iter_time)]
    _amend(file, what, options, secret, new)


def remove(file: Path, what: str, secret: bytes, slot: int | None = None) -> None:
    """Remove the passphrase `secret`, or with `slot` the one in that slot, which it need not be.

    UserError for the last one: nothing would open the file any more.
    """
    there = slots(file)
    if slot is not None and not (slot < len(there) and there[slot]):
        known = ", ".join(str(number) for number, active in enumerate(there) if active)
        raise UserError(f"key slot {slot} of {what} is empty", f"in use: {known}", "not-found")
    if sum(there) == 1:
        check(file, what, secret)
        raise _last(what)
    which = f"encrypt.old-secret={_NEW}" if slot is None else f"encrypt.keyslot={slot}"
    try:
        _amend(file, what, ["encrypt.state=inactive", which], secret, secret)
    except UserError as error:
        if "All the active keyslots match" in error.what:
            raise _last(what) from None
        raise


def change(file: Path, what: str, secret: bytes, new: bytes, iter_time: int | None = None) -> None:
    """Put `new` in place of `secret`: it is added first, so one of them opens the file always."""
    if secret == new:
        raise UserError("the new passphrase is the old one", "give another one", "invalid")
    add(file, what, secret, new, iter_time)
    options = ["encrypt.state=inactive", f"encrypt.old-secret={_NEW}"]
    _amend(file, what, options, new, secret)


def resize(file: Path, what: str, secret: bytes, size: int) -> None:
    """Enlarge the file to `size` bytes."""
    argv = [qemu_img.PROGRAM, "resize", "-q", "--image-opts", _opened(file), str(size)]
    _run(argv, f"cannot enlarge {file}", secret, what)


def _last(what: str) -> UserError:
    hint = "add another one first: sudo pyvirt volume key add NAME"
    return UserError(f"this is the last passphrase that opens {what}", hint, "invalid")


def _amend(file: Path, what: str, options: list[str], secret: bytes, new: bytes) -> None:
    argv = [qemu_img.PROGRAM, "amend", "-q", "--image-opts", _opened(file)]
    _run([*argv, "-o", ",".join(options)], f"cannot change the keys of {what}", secret, what, new)


def _iterations(milliseconds: int | None) -> list[str]:
    return [] if milliseconds is None else [f"encrypt.iter-time={milliseconds}"]


def _opened(file: Path) -> str:
    """An encrypted file as `--image-opts` names it."""
    path = str(file).replace(",", ",,")
    return f"driver=qcow2,file.driver=file,file.filename={path},encrypt.key-secret={_OPENS}"


def _run(
    argv: list[str],
    failed: str,
    secret: bytes | None,
    what: str = "",
    new: bytes | None = None,
    again: Callable[[], object] = lambda: None,
) -> None:
    """Run qemu-img with these secrets; UserError that names `what` where one opens nothing.

    `again` is called before a further try.
    """
    given: Mapping[str, bytes | None] = {_OPENS: secret, _NEW: new}
    secrets = {key: value for key, value in given.items() if value is not None}
    for left in reversed(range(_TRIES)):
        try:
            qemu_img.run(argv, failed, _PATIENCE, secrets)
            break
        except UserError as error:
            if "Invalid password" in error.what:
                raise WrongSecretError(what) from None
            if _UNMEASURED not in error.what or not left:
                raise
            again()


class WrongSecretError(UserError):
    """A passphrase that opens nothing."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the passphrase does not open {what}", "try again", "invalid")
