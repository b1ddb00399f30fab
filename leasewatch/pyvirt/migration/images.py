"""Send images to the destination, by `pyvirt image receive` there.

Standard input of that command: one line of JSON, an `ImageOffer`, then the bytes of the image. It
answers with a line once it has checked the digest. It keeps the image from being removed until its
standard input ends.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from subprocess import Popen, TimeoutExpired
from typing import BinaryIO, Final, Protocol, cast

import msgspec

from leasewatch.errors import UNDECODABLE
from leasewatch.paths import Paths
from leasewatch.pyvirt.images import unpacking
from leasewatch.pyvirt.images.known import KnownImages
from leasewatch.pyvirt.images.store import Images
from leasewatch.pyvirt.migration.disks import DisksOffer, ImageOffer
from nss_pyvirt.errors import UserError

Progress = Callable[[int, int], None]
"""Gets the bytes that are there, and how many there will be."""

COMMAND: Final = ("image", "receive")
_CHUNK: Final = 256 << 10
_ZEROS: Final = bytes(_CHUNK)
_LONGEST: Final = 1 << 16
"""Bytes of the first line."""
_PATIENCE: Final = 30.0  # seconds for a command that has answered to end


class Destination(Protocol):
    """A connection to the destination, as `remote.Remote` is one."""

    def start(self, argv: Sequence[str]) -> Popen[bytes]:
        """Run `pyvirt ARGV` there as root, with pipes to its standard input and output."""

    def failure(self, session: Popen[bytes]) -> UserError:
        """Why a program of `start` has ended."""


@contextlib.contextmanager
def sent(
    remote: Destination,
    paths: Paths,
    offer: DisksOffer,
    missing: Sequence[str],
    progress: Progress,
) -> Iterator[None]:
    """Send the images with these digests; nothing removes them there until the block ends.

    UserError where the destination refuses one, or goes away; no part of it is left there.
    """
    images = [each for each in offer.images if each.image.sha256 in missing]
    total, before = sum(each.length for each in images), 0

    def report(count: int) -> None:
        progress(before + count, total)

    with contextlib.ExitStack() as ours:
        for each in images:
            receiver = remote.start(COMMAND)
            ours.callback(_end, receiver)
            if not _send(receiver, paths, each, report):
                error = remote.failure(receiver)
                what = f"image {each.image.source} was not sent: {error.what}"
                raise UserError(what, error.hint, error.code)
            before += each.length
        yield


def _send(
    receiver: Popen[bytes], paths: Paths, image: ImageOffer, progress: Callable[[int], None]
) -> bool:
    """Whether the receiver has answered that all is there."""
    given, answers = cast("BinaryIO", receiver.stdin), cast("BinaryIO", receiver.stdout)
    file = KnownImages(paths).file(image.image.sha256)
    try:
        with file.path.open("rb") as content:
            given.write(msgspec.json.encode(image) + b"\n")
            while chunk := content.read(_CHUNK):
                given.write(chunk)
                progress(content.tell())
        given.flush()
    except BrokenPipeError:
        return False
    return bool(answers.readline())


def _end(receiver: Popen[bytes]) -> None:
    """Its input ends, and so does it."""
    with contextlib.suppress(BrokenPipeError, TimeoutExpired):
        receiver.communicate(timeout=_PATIENCE)
    receiver.kill()
    receiver.wait()


def receive(paths: Paths, source: BinaryIO, answer: Callable[[], None]) -> None:
    """Be `pyvirt image receive`: take an image from `source`, call `answer`, wait for the end.

    UserError where it is not complete, or has another digest.
    """
    try:
        offer = msgspec.json.decode(source.readline(_LONGEST), type=ImageOffer)
    except UNDECODABLE as error:
        hint = "a migration runs this command"
        raise UserError(f"there is no image on standard input: {error}", hint, "usage") from None
    with Images(paths).received(offer.image, lambda file: _fill(file, source, offer.length)):
        answer()
        source.read()


def _fill(file: BinaryIO, source: BinaryIO, length: int) -> str:
    """Copy the bytes; zeros take no room. Their SHA-256."""
    digest, left = hashlib.sha256(), length
    while left:
        chunk = source.read(min(_CHUNK, left))
        if not chunk:
            raise UserError("the image has ended early", "try again", "incomplete")
        digest.update(chunk)
        left -= len(chunk)
        if chunk == _ZEROS:
            file.seek(_CHUNK, 1)
        else:
            unpacking.write_all(file, chunk)
    file.truncate(length)
    return digest.hexdigest()
