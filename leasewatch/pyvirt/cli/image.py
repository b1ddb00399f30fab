"""`pyvirt image …`: options in, sentences and rows out. Decides nothing about images."""

from __future__ import annotations

import contextlib
import sys

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves
from leasewatch.pyvirt.cli.halves import each
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal import show as look
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Final

    from leasewatch.pyvirt.images.checksums import Checksum
    from leasewatch.pyvirt.images.known import Image, KnownImages
    from leasewatch.pyvirt.images.store import Images
    from nss_pyvirt.terminal.status_line import StatusLine, Transfer

_COLUMNS = ("name", "size", "format", "arch", "added", "used_by", "source")
_WIDE = {"arch": 70, "added": 80, "source": 90}
"""The least width of a terminal that shows these."""
_AVAILABLE = ("name", "user", "source")
_NAME = Param("name", required=True, complete=halves.complete_images)
_NAMES = Param(
    "names", multiple=True, required=True, metavar="NAME...", complete=halves.complete_images
)
_SYNONYMS: Final = {
    **dict.fromkeys(("rm", "delete"), "remove"),
    **dict.fromkeys(("import", "create"), "add"),
    **dict.fromkeys(("download", "update"), "pull"),
    "info": "show",
    "ls": "list",
}

command = commands.Group(
    "Disk images that domains start from: pyvirt's own copies.",
    synonyms=_SYNONYMS,
    epilog=frame.examples(
        "sudo pyvirt image pull debian-12",
        "sudo pyvirt image add web-base web.qcow2.xz",
        "pyvirt image list",
        "sudo pyvirt domain create web1 --network lab --image debian-12 --size 20G",
    ),
)


def _known() -> KnownImages:
    from leasewatch.pyvirt.images.known import KnownImages  # noqa: PLC0415  start-up time

    return KnownImages(Paths())


def _images() -> Images:
    from leasewatch.pyvirt.images.store import Images  # noqa: PLC0415  start-up time

    return Images(Paths())


def _checksum(algorithm: str) -> Callable[[str], Checksum]:
    """A kind: the digits of a checksum."""

    def convert(text: str) -> Checksum:
        from leasewatch.pyvirt.images import checksums  # noqa: PLC0415  start-up time

        try:
            return checksums.given(algorithm, text)
        except UserError as error:
            raise ValueError(f"{error.what}: {error.hint}") from None

    return convert


@contextlib.contextmanager
def downloading(name: str, line: StatusLine) -> Iterator[Transfer]:
    """A function that shows how far a download is; Ctrl-C says that it is kept."""
    from nss_pyvirt.terminal.status_line import Transfer  # noqa: PLC0415  start-up time

    transfer = Transfer(line, f"downloading {name}")
    try:
        yield transfer
    except KeyboardInterrupt:
        if transfer.has_begun:
            line.note(f"the download of {name} is kept: the same command continues it")
        raise


def _fetched(name: str, get: Callable[[Transfer], Image]) -> Image:
    """What `get` returns; it gets the function that shows how far a download is."""
    from nss_pyvirt.terminal.status_line import StatusLine  # noqa: PLC0415  start-up time

    with StatusLine("pyvirt") as line, downloading(name, line) as transfer:
        return get(transfer)


def _complete_available(_obj: object, _given: object) -> list[str]:
    from leasewatch.pyvirt.images import catalogue  # noqa: PLC0415  start-up time

    return [*catalogue.read(Paths())]


@command.command(
    Param("name", required=True),
    Param("source", required=True, metavar="FILE|URL"),
    Param(
        "--sha256",
        metavar="HEX",
        kind=_checksum("sha256"),
        help="SHA-256 that the file, as it is published, must have.",
    ),
    Param("--sha512", metavar="HEX", kind=_checksum("sha512"), help="SHA-512, likewise."),
    needs_root=True,
    epilog=frame.examples(
        "sudo pyvirt image add web-base web.qcow2.xz",
        "sudo pyvirt image add suse https://example.org/suse.qcow2 --sha256 5891b5b…",
    ),
)
def add(name: str, source: str, sha256: Checksum | None, sha512: Checksum | None) -> None:
    """Copy an image from a file or a URL: qcow2 or raw, packed or not.

    A download that was interrupted continues where it stopped.
    """
    from leasewatch.pyvirt.images import pull as pulling  # noqa: PLC0415  start-up time

    if sha256 and sha512:
        raise UserError("--sha256 and --sha512 are both given", "omit one", "invalid")
    wanted = sha256 or sha512
    image = _fetched(name, lambda progress: pulling.add(Paths(), name, source, wanted, progress))
    _print_added(name, image)


@command.command(
    Param("names", multiple=True, required=True, metavar="NAME...", complete=_complete_available),
    needs_root=True,
)
def pull(names: Sequence[str]) -> int:
    """Download official cloud images.

    They are checked against their publishers' checksums. `pyvirt image list --available` shows
    the names. Pulling again gets a newer version; domains keep the one that they were made of.
    """
    from leasewatch.pyvirt.images import pull as pulling  # noqa: PLC0415  start-up time

    def act(name: str) -> str:
        before = [image.sha256 for image in _known().known() if name in image.names]
        image = _fetched(name, lambda progress: pulling.pull(Paths(), name, progress))
        if image.sha256 in before:
            return "is up to date"
        return f"is here: {image.format}, {look.size(image.size)}"

    return each("image", names, act)


@command.command(
    *commands.rows(*_COLUMNS, "user"),
    Param("--available", flag=True, help="List the images that `pull` can download."),
    name="list",
)
def list_(output: frame.Format, *, available: bool) -> None:
    """List the images that are here."""
    if available:
        from leasewatch.pyvirt.images import catalogue  # noqa: PLC0415  start-up time

        entries = catalogue.read(Paths()).items()
        offered = [
            {"name": name, "user": entry.user or None, "source": _source(entry.url, output)}
            for name, entry in sorted(entries, key=lambda each: look.natural(each[0]))
        ]
        frame.write(frame.render(offered, _AVAILABLE, output, name="name"))
        return
    images = _known()
    rows = [row for image in images.known() for row in _rows(images, image, output)]
    if not rows and output == "table":
        hint = "sudo pyvirt image pull debian-12"
        frame.print_warning("pyvirt", UserError("no images yet", hint, "not-found"))
    frame.write(frame.render(rows, _COLUMNS, output, name="name", wide=_WIDE))


@command.command(_NAME, *commands.rows(*_COLUMNS, "sha256", "checksum", "on_disk", "file"))
def show(name: str, output: frame.Format) -> None:
    """Show everything that is known about one image."""
    images = _known()
    image = images.get(name)
    file = images.file(image.sha256).path
    used = file.stat().st_blocks * 512
    row = _row(images, image, ", ".join(image.names) or None, output)
    row |= {
        "sha256": image.sha256,
        "checksum": image.checksum or None,
        "on_disk": used if output == "json" else look.size(used),
        "file": str(file),
        "source": image.source,
    }
    if output != "table" or commands.Command.rows.columns:
        frame.write(frame.render([row], tuple(row), output, name="name"))
        return
    for key, value in row.items():
        frame.write(f"{key.replace('_', ' ') + ':':<10}{frame.printable(str(value or '-'))}\n")


@command.command(_NAMES, needs_root=True)
def remove(names: Sequence[str]) -> int:
    """Remove images that no domain uses."""

    def act(name: str) -> None:
        _images().remove(name)

    return each("image", names, act, "is removed")


@command.command(hidden=True, needs_root=True)
def receive() -> None:
    """Take an image from standard input, for a domain that migrates to this host."""
    from leasewatch.pyvirt.migration import images  # noqa: PLC0415  start-up time

    images.receive(Paths(), sys.stdin.buffer, lambda: frame.write("received\n"))


def _print_added(name: str, image: Image) -> None:
    size = look.size(image.size)
    sentence = f"image {name} is here: {image.format}, {size}, sha256 {image.sha256}"
    frame.print_done(sentence, image=name, sha256=image.sha256, format=image.format)


def _rows(images: KnownImages, image: Image, output: frame.Format) -> list[Mapping[str, object]]:
    """A row for each name. A table shows an image without any by its digest."""
    digest = f"sha256:{image.sha256[:12]}" if output == "table" else None
    return [_row(images, image, name, output) for name in image.names or (digest,)]


def _row(
    images: KnownImages, image: Image, name: str | None, output: frame.Format
) -> dict[str, object]:
    """JSON has sizes in bytes, times in seconds since 1970, and lists."""
    users = images.users(image.sha256)
    as_json = output == "json"
    return {
        "name": name,
        "size": image.size if as_json else look.size(image.size),
        "format": image.format,
        "arch": image.arch,
        "added": image.added if as_json else look.moment(image.added),
        "used_by": users if as_json else ", ".join(users) or None,
        "source": _source(image.source, output),
    }


def _source(source: str, output: frame.Format) -> str:
    """A path or URL; a table shows only the host of a URL."""
    _, found, rest = source.partition("://")
    return rest.partition("/")[0] if found and output == "table" else source
