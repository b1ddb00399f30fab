"""qemu-img: its command lines, and what it prints. Everything but `run` only handles text."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from nss_pyvirt import programs
from nss_pyvirt.errors import UserError

PROGRAM = "qemu-img"
_PACKAGE = "qemu-utils"
_PATIENCE = 60.0  # seconds
FORMATS = ("qcow2", "raw")
"""Formats of images. `Info.refers_to` knows every file that these can refer to; other formats name
files in ways of their own (a VMDK is a text that lists them)."""

_MESSAGE = re.compile(r"qemu[\w-]*: ")


class Info(msgspec.Struct, frozen=True):
    """What qemu-img reports about an image."""

    format: str
    size: int = msgspec.field(name="virtual-size")
    """Bytes that a guest sees."""
    backing: str | None = msgspec.field(name="backing-filename", default=None)
    base: str | None = msgspec.field(name="full-backing-filename", default=None)
    """The path at which its backing file is opened."""
    encrypted: bool = False
    specific: dict[str, object] = msgspec.field(name="format-specific", default_factory=dict)

    @property
    def refers_to(self) -> str | None:
        """The other file that has a part of its content, as the image names it."""
        data = self.specific.get("data")
        external = data.get("data-file") if isinstance(data, dict) else None
        return self.backing or external


def parse_info(text: str) -> Info:
    """The answer to `info_command`."""
    return msgspec.json.decode(text, type=Info)


def info_command(image: Path) -> list[str]:
    """Ask for an image's format, size and backing file as JSON; `-U`: also while it is in use."""
    return [PROGRAM, "info", "-U", "--output=json", str(image)]


def overlay_command(base: Path, base_format: str, overlay: Path, size: int) -> list[str]:
    """Make a copy-on-write overlay; `size` in bytes."""
    argv = [PROGRAM, "create", "-q", "-f", "qcow2", "-F", base_format]
    return [*argv, "-b", str(base), str(overlay), str(size)]


def empty_command(image: Path, size: int) -> list[str]:
    """Make a qcow2 image without content; `size` in bytes."""
    return [PROGRAM, "create", "-q", "-f", "qcow2", str(image), str(size)]


def convert_command(base: Path, whole: Path) -> list[str]:
    """Make one qcow2 image of all that an image refers to."""
    return [PROGRAM, "convert", "-O", "qcow2", str(base), str(whole)]


def part_command(image: Path, format_: str, start: int, size: int) -> list[str]:
    """Copy a part of what a guest sees, in whole sectors; where to is the last argument."""
    file = str(image).replace(",", ",,")
    source = f"driver=raw,offset={start},size={size},file.driver={format_},file.file.driver=file"
    argv = [PROGRAM, "convert", "-U", "-O", "raw", "--image-opts"]
    return [*argv, f"{source},file.file.filename={file}"]


def rebase_command(base: Path, base_format: str, overlay: Path) -> list[str]:
    """Tell an overlay that its base, with the same content, is at another path."""
    return [PROGRAM, "rebase", "-u", "-F", base_format, "-b", str(base), str(overlay)]


def resize_command(overlay: Path, size: int) -> list[str]:
    """Enlarge an overlay to `size` bytes; qemu-img refuses to shrink it."""
    return [PROGRAM, "resize", "-q", "-f", "qcow2", str(overlay), str(size)]


def is_whole(image: Path) -> bool:
    """Whether all parts of a qcow2 image are there; those that nothing uses do no harm."""
    argv = [PROGRAM, "check", "-q", "-f", "qcow2", str(image)]
    return programs.run(argv, package=_PACKAGE, timeout=_PATIENCE).returncode in {0, 3}


def run(
    argv: list[str],
    failed: str,
    timeout: float | None = None,
    secrets: Mapping[str, bytes] | None = None,
) -> str:
    """What qemu-img prints; UserError that begins with `failed` where it fails.

    It reads each of the `secrets`, which `argv` names by its key, from a pipe.
    """
    try:
        with contextlib.ExitStack() as given:
            pipes = {key: _pipe(given, content) for key, content in (secrets or {}).items()}
            argv = [*argv[:2], *_secret_options(pipes), *argv[2:]]
            patience = timeout or _PATIENCE
            done = programs.run(argv, package=_PACKAGE, timeout=patience, kept=pipes.values())
    except UserError as error:
        raise UserError(f"{failed}: {error.what}", error.hint, error.code) from None
    if done.returncode:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit {done.returncode}"
        raise UserError(f"{failed}: {complaint(done.stderr) or f'{argv[0]} ended by {how}'}")
    return done.stdout


def _pipe(given: contextlib.ExitStack, content: bytes) -> int:
    """The end of a pipe from which `content` can be read."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    given.callback(os.close, reading)
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(content)
    return reading


def _secret_options(pipes: Mapping[str, int]) -> list[str]:
    found = (f"secret,id={key},format=raw,file=/dev/fd/{fd}" for key, fd in pipes.items())
    return [word for text in found for word in ("--object", text)]


def complaint(printed: str) -> str:
    """The last message that one of QEMU's programs has printed, in one line; empty without any.

    A message may have several lines: `Failed to get "write" lock`, then what may hold it.
    """
    lines = printed.strip().splitlines()
    begins = [at for at, line in enumerate(lines) if _MESSAGE.match(line)]
    first = begins[-1] if begins else len(lines) - 1
    return ". ".join(line.strip().removesuffix(".") for line in lines[first:] if line.strip())
