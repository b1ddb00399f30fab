"""`pyvirt volume key …`: the passphrases of an encrypted volume, or of a domain's own disk."""

from __future__ import annotations

from leasewatch.pyvirt.cli import secret_options
from leasewatch.pyvirt.cli.volume import ITER_TIME, NAME, volumes
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from leasewatch.pyvirt.volumes.secrets import Secret
    from leasewatch.pyvirt.volumes.volumes import Volume

command = commands.Group(
    "Passphrases of an encrypted volume, or of a domain's disk.",
    aliases={"rm": "remove", "delete": "remove", "set": "change"},
    epilog=frame.examples(
        "sudo pyvirt volume key add data1",
        "sudo pyvirt volume key change data1",
        "sudo pyvirt volume key remove data1 --slot 1",
        "sudo pyvirt volume key change web1             # the disk of domain web1",
    ),
)
_PARAMS = (NAME, secret_options.SECRET_FILE, secret_options.NEW_SECRET_FILE, ITER_TIME)


@command.command(*_PARAMS, needs_root=True)
def add(
    name: str, secret_file: str | None, new_secret_file: str | None, iter_time: int | None
) -> None:
    """Let a further passphrase open a volume.

    It asks for one that opens it already, then for the new one.
    """
    from leasewatch.pyvirt.volumes import luks  # noqa: PLC0415  start-up time

    volume = volumes().encrypted(name)
    secret, new = _both(volume, secret_file, new_secret_file)
    luks.add(volume.file, volume.word, secret, new, iter_time)
    _print_done(f"a further passphrase opens {volume.word}", volume)


@command.command(*_PARAMS, needs_root=True)
def change(
    name: str, secret_file: str | None, new_secret_file: str | None, iter_time: int | None
) -> None:
    """Put a new passphrase in place of an old one."""
    from leasewatch.pyvirt.volumes import luks  # noqa: PLC0415  start-up time

    volume = volumes().encrypted(name)
    secret, new = _both(volume, secret_file, new_secret_file)
    luks.change(volume.file, volume.word, secret, new, iter_time)
    _print_done(f"the new passphrase opens {volume.word}, and the old one no longer does", volume)


@command.command(
    NAME,
    Param(
        "--slot",
        metavar="NUMBER",
        kind=commands.whole_number(0, 7),
        help="Remove the passphrase in this slot; asks for one that opens the volume.",
    ),
    secret_options.SECRET_FILE,
    needs_root=True,
)
def remove(name: str, slot: int | None, secret_file: str | None) -> None:
    """Remove the passphrase that it asks for, or that in --slot.

    The last one stays: without it, nothing opens the volume any more.
    """
    from leasewatch.pyvirt.volumes import luks  # noqa: PLC0415  start-up time

    volume = volumes().encrypted(name)
    secret = secret_options.given(secret_file, volume.word)
    luks.remove(volume.file, volume.word, secret, slot)
    _print_done(f"a passphrase of {volume.word} is removed", volume)


def _both(volume: Volume, old: str | None, new: str | None) -> tuple[Secret, Secret]:
    """The passphrase that opens a volume, which is checked, and the new one."""
    from leasewatch.pyvirt.volumes import luks  # noqa: PLC0415  start-up time

    if old == new == "-":
        what = "standard input has one passphrase, not two"
        raise UserError(what, "give one of them in a file", "invalid")
    secret = secret_options.given(old, volume.word)
    luks.check(volume.file, volume.word, secret)  # before a new one is typed
    return secret, secret_options.given(
        new, volume.word, new=True, option=secret_options.NEW_SECRET_FILE.words[0]
    )


def _print_done(sentence: str, volume: Volume) -> None:
    """The sentence, and which key slots have a passphrase now."""
    from leasewatch.pyvirt.volumes import luks  # noqa: PLC0415  start-up time

    slots = [slot for slot, active in enumerate(luks.slots(volume.file)) if active]
    shown = ", ".join(map(str, slots))
    frame.print_done(f"{sentence}; key slots in use: {shown}", volume=volume.name, slots=slots)
