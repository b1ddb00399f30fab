"""Options by which commands get passphrases: a file, standard input, or a question."""

from __future__ import annotations

import sys

from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from leasewatch.pyvirt.defined.domain import DomainDefinition
    from leasewatch.pyvirt.domains.secrets import Encrypted, Secrets
    from leasewatch.pyvirt.volumes.secrets import Secret

SECRET_FILE: Final = Param(
    "--secret-file",
    metavar="FILE",
    help="File with the passphrase; -: standard input.  [default: ask]",
)
NEW_SECRET_FILE: Final = Param(
    "--new-secret-file",
    metavar="FILE",
    help="File with the new passphrase; -: standard input.  [default: ask]",
)
SECRET_FILES: Final = Param(
    "--secret-file",
    name="secret_files",
    metavar="[DISK=]FILE",
    multiple=True,
    help="File with the passphrase of encrypted disks, or of one; -: standard input.",
)


def given(file: str | None, what: str, *, new: bool = False, option: str = "") -> Secret:
    """The passphrase in a file, on standard input (`-`), or asked for; `new`: asked for twice."""
    from leasewatch.pyvirt.volumes import secrets  # noqa: PLC0415  start-up time

    if file == "-":
        if sys.stdin is None:
            raise UserError("standard input is closed", "omit <&-", "invalid")
        return secrets.parse(sys.stdin.buffer.read(), "standard input")
    if file is not None:
        from pathlib import Path  # noqa: PLC0415  start-up time

        return secrets.read(Path(file))
    hint = f"give it in a file: {option or '--secret-file'} FILE"
    return _asked(what, hint, new=new)


def _asked(what: str, hint: str, *, new: bool) -> Secret:
    """The passphrase that a person types; UserError with that hint without a terminal."""
    if sys.stdin is None or not sys.stdin.isatty():
        fault = f"{what} needs a passphrase, and there is no terminal to ask for it"
        raise UserError(fault, hint, "invalid")
    from leasewatch.pyvirt.volumes import secrets  # noqa: PLC0415  start-up time

    word = "New passphrase" if new else "Passphrase"
    typed = _typed(f"{word} of {what}: ")
    if new and _typed("The same once more: ") != typed:
        raise UserError("the two passphrases differ", "try again", "invalid")
    return secrets.parse(typed, "the passphrase")


def _typed(prompt: str) -> bytes:
    import getpass  # noqa: PLC0415  start-up time

    try:
        return getpass.getpass(prompt).encode(errors="surrogateescape")
    except EOFError:
        raise UserError("no passphrase was typed", "try again", "invalid") from None


def of_domain(domain: DomainDefinition, given: Given) -> Secrets:
    """The passphrases of all encrypted disks of a domain, checked.

    From the options, else from the definition's `secret_file`, else asked for.
    """
    from leasewatch.paths import Paths  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.domains import secrets  # noqa: PLC0415  start-up time

    def ask(disk: Encrypted) -> Secret | None:
        secret = given.get(disk)
        if secret is None and domain.secret_file is None:
            stays = f"sudo pyvirt domain set {domain.name} secret-file=FILE"
            hint = f"give it in a file: --secret-file FILE, or for every start: {stays}"
            return _asked(disk.word, hint, new=False)
        return secret

    given.check(secrets.needed(Paths(), domain))
    return secrets.collect(Paths(), domain, ask)


class Given:
    """The passphrases that --secret-file names for the disks of a domain."""

    def __init__(self, files: Sequence[str]) -> None:
        self._files: dict[str, str] = {}
        for text in files:
            disk, equals, file = text.partition("=")
            if not equals or "/" in disk:
                disk, file = "", text
            if disk in self._files:
                which = f" of {disk}" if disk else ""
                raise UserError(f"--secret-file{which} is given twice", "omit one", "usage")
            self._files[disk] = file
        self._input: Secret | None = None

    def __bool__(self) -> bool:
        return bool(self._files)

    def get(self, disk: Encrypted) -> Secret | None:
        """The passphrase of a disk; None: no option names a file for it."""
        file = self._files.get(disk.key, self._files.get(""))
        if file is None:
            return None
        if file == "-":  # it can be read once, for all disks
            self._input = self._input or given(file, disk.word)
            return self._input
        return given(file, disk.word)

    def check(self, disks: Sequence[Encrypted]) -> None:
        """UserError where the options name other disks than these, and none of them."""
        known = [disk.key for disk in disks]
        if known and self._files and not {"", *known} & {*self._files}:
            what = f"--secret-file: there is no encrypted disk {min(self._files)}"
            raise UserError(what, f"its encrypted disks: {', '.join(known)}", "invalid")
