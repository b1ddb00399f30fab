"""`pyvirt volume …`: options in, sentences and rows out. Decides nothing about volumes."""

from __future__ import annotations

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves, secret_options, values
from leasewatch.pyvirt.cli.halves import each
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal import show as look
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from leasewatch.pyvirt.volumes.volumes import Volume, Volumes

_COLUMNS = ("name", "size", "encrypted", "used_by")
_DETAILS = (*_COLUMNS, "slots", "on_disk", "file")
NAME = Param("name", required=True, complete=halves.complete_volumes)
_NAMES = Param(
    "names", multiple=True, required=True, metavar="NAME...", complete=halves.complete_volumes
)
ITER_TIME = Param(
    "--iter-time",
    metavar="MS",
    kind=commands.whole_number(1, 60_000),
    help="Milliseconds that one try of the passphrase takes here.  [default: 2000]",
)

command = commands.Group(
    "Disks that outlive their domains; they can be encrypted.",
    members={"key": "leasewatch.pyvirt.cli.volume_key"},
    aliases=halves.ALIASES | {"keys": "key"},
    synonyms=halves.SYNONYMS,
    epilog=frame.examples(
        "sudo pyvirt volume create data1 --size 20G --encrypt",
        "sudo pyvirt domain set web1 volume+=data1",
        "sudo pyvirt domain start web1",
        "sudo pyvirt volume key change data1",
    ),
)


def volumes() -> Volumes:
    """The volumes of this host."""
    from leasewatch.pyvirt.volumes.volumes import Volumes  # noqa: PLC0415  start-up time

    return Volumes(Paths())


@command.command(
    Param("name", required=True),
    Param("--size", metavar="SIZE", kind=values.disk_size, required=True, help="Size, e.g. 20G."),
    Param("--encrypt", flag=True, help="Encrypt it with LUKS; asks for a new passphrase."),
    secret_options.SECRET_FILE,
    ITER_TIME,
    needs_root=True,
    epilog=frame.examples(
        "sudo pyvirt volume create data1 --size 20G --encrypt",
        "sudo pyvirt volume create data2 --size 1T --encrypt --secret-file key",
    ),
)
def create(
    name: str, size: int, secret_file: str | None, iter_time: int | None, *, encrypt: bool
) -> None:
    """Make a volume.

    The newline at the end of a secret file is no part of the passphrase. A file that is not text
    counts as its Base64 text.
    """
    if not encrypt and (secret_file is not None or iter_time is not None):
        option = "--iter-time" if secret_file is None else "--secret-file"
        raise UserError(f"{option} is for an encrypted volume", "add --encrypt", "invalid")
    volumes().check_new(name)  # before anybody types a passphrase
    secret = None
    if encrypt:
        secret = secret_options.given(secret_file, f"volume {name}", new=True)
    volumes().create(name, size, secret, iter_time)
    frame.print_done(f"volume {name} is made: {look.size(size)}", volume=name, size=size)


@command.command(*commands.rows(*_COLUMNS, "on_disk", "file"), name="list", needs_root=True)
def list_(output: frame.Format) -> int:
    """List all volumes."""
    known = volumes()
    hint = "sudo pyvirt volume create NAME --size SIZE"
    return halves.list_all(
        known.names(),
        lambda name: _row(known.get(name), output),
        _COLUMNS,
        {},
        output,
        empty=UserError("no volumes yet", hint, "not-found"),
    )


@command.command(NAME, *commands.rows(*_DETAILS), needs_root=True)
def show(name: str, output: frame.Format) -> None:
    """Show everything that is known about one volume.

    Each key slot in use holds a passphrase that opens it.
    """
    from leasewatch.pyvirt.volumes import luks  # noqa: PLC0415  start-up time

    volume = volumes().get(name)
    row = _row(volume, output)
    used = [slot for slot, active in enumerate(luks.slots(volume.file)) if active]
    row["slots"] = used if output == "json" else ", ".join(map(str, used)) or None
    row = {key: row[key] for key in _DETAILS}
    if output != "table" or commands.Command.rows.columns:
        frame.write(frame.render([row], tuple(row), output, name="name"))
        return
    for key, value in row.items():
        frame.write(f"{key.replace('_', ' ') + ':':<11}{frame.printable(str(value or '-'))}\n")


@command.command(_NAMES, needs_root=True)
def delete(names: Sequence[str]) -> int:
    """Delete volumes that belong to no domain."""

    def act(name: str) -> None:
        volumes().delete(name)

    return each("volume", names, act, "is deleted")


def _row(volume: Volume, output: frame.Format) -> dict[str, Any]:
    """JSON has sizes in bytes and true or false."""
    used = volume.file.stat().st_blocks * 512
    as_json = output == "json"
    row: Mapping[str, Any] = {
        "name": volume.name,
        "size": volume.size if as_json else look.size(volume.size),
        "encrypted": volume.is_encrypted if as_json else halves.yes(volume.is_encrypted),
        "used_by": volume.used_by,
        "on_disk": used if as_json else look.size(used),
        "file": str(volume.file),
    }
    return dict(row)
