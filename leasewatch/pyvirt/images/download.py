"""Download a file over HTTP, and go on where an earlier command was stopped.

A download has two files, named by the digest of its URL: `HEX.part`, whose writer has it locked,
and `HEX.json`, which says what the server called that version (ETag, Last-Modified). A server that
has another version by now sends it from its beginning (If-Range, RFC 9110, 13.1.5).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO, Final, NamedTuple

import msgspec

from leasewatch.pyvirt.images.names import check_url
from leasewatch.pyvirt.images.unpacking import write_all
from nss_pyvirt import __version__, replacing
from nss_pyvirt.errors import UserError

Progress = Callable[[int, int | None], None]
"""Gets the bytes that are here, and how many there will be (None: unknown)."""

_SILENCE = 30.0  # seconds that a server may send nothing
_TRIES = 3
"""How often in a row a connection may break without a byte."""
_PAUSE = 2.0  # seconds before the next try
_OLD: Final = 7 * 86400  # seconds after which a download is no longer continued
_CHUNK: Final = 256 << 10
_LONGEST_TEXT: Final = 1 << 20
_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class _Version(msgspec.Struct, frozen=True):
    """What identifies the content that a part belongs to; empty where the server does not say."""

    url: str
    validator: str = ""


class _Reply(NamedTuple):
    body: http.client.HTTPResponse
    start: int
    """Where in the file the body begins."""
    total: int | None


class _CutError(Exception):
    """The connection broke, or the body was too short."""


class _SafeRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect from https to http, nor to other protocols."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The next request (urllib.request)."""
        secure, scheme = req.type == "https", newurl.partition(":")[0].lower()
        if scheme != "https" and (secure or scheme != "http"):
            fp.close()
            what = f"{req.full_url} redirects to {newurl}, which is not {req.type}"
            raise UserError(what, "give another URL", "invalid")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def text(url: str) -> str:
    """The content of a small text file; UserError where it cannot be read."""
    try:
        with _open(url, {}) as body:
            content = body.read(_LONGEST_TEXT + 1)
    except _CutError as error:
        hint = "try again, or add a file that you have: sudo pyvirt image add NAME FILE"
        raise UserError(f"cannot download {url}: {error}", hint, "unavailable") from None
    if len(content) > _LONGEST_TEXT:
        raise UserError(f"{url} is too long for a text", code="invalid")
    return content.decode(errors="replace")


@contextlib.contextmanager
def downloaded(folder: Path, url: str, progress: Progress) -> Iterator[Path]:
    """The complete file at a URL, until this ends.

    It goes on with what an earlier command has in `folder`. What a cut connection, a signal or
    Ctrl-C leaves stays there. UserError where it cannot be downloaded.
    """
    check_url(url)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _forget_old(folder)
    part = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.part"
    with _own(part, url) as file:
        try:
            _fill(url, file, part.with_suffix(".json"), progress)
        except UserError:
            if part.stat().st_size == 0:
                _remove(part)
            raise
        fcntl.flock(file, fcntl.LOCK_SH)  # as the store locks what it uses
        with contextlib.ExitStack() as ours:
            ours.callback(_remove, part)
            try:
                yield part
            except KeyboardInterrupt:
                ours.pop_all()
                raise


@contextlib.contextmanager
def _own(part: Path, url: str) -> Iterator[BinaryIO]:
    """The part, open to write and locked."""
    while True:
        with os.fdopen(replacing.open_regular(part, 0o600), "r+b", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                what = f"another command is just downloading {url}"
                raise UserError(what, "wait for it", "running") from None
            if replacing.is_file(file.fileno(), part):
                yield file
                return


def _fill(url: str, file: BinaryIO, notes: Path, progress: Progress) -> None:
    """Download until the part is complete."""
    failures = 0
    while True:
        had = file.seek(0, os.SEEK_END)
        try:
            with _resumed(url, file, notes) as reply:
                return _receive(url, reply, file, progress)
        except _CutError as error:
            failures = 0 if file.seek(0, os.SEEK_END) > had else failures + 1
            if failures == _TRIES:
                hint = "try again: what is here already is kept" if had else "try again"
                raise UserError(f"cannot download {url}: {error}", hint, "unavailable") from None
            time.sleep(_PAUSE)
        except OSError as error:
            file.truncate(0)  # of a full disk
            what = f"cannot download {url}: {error.strerror or error}"
            raise UserError(what, "make room below /var/lib/pyvirt/images") from error


@contextlib.contextmanager
def _resumed(url: str, file: BinaryIO, notes: Path) -> Iterator[_Reply]:
    """Ask for what is missing, and empty the part where the server has another version."""
    known = _Version(url)
    with contextlib.suppress(OSError, msgspec.MsgspecError, ValueError):
        known = msgspec.json.decode(notes.read_bytes(), type=_Version)
    have = file.seek(0, os.SEEK_END) if known.url == url and known.validator else 0
    asked = {"Range": f"bytes={have}-", "If-Range": known.validator} if have else {}
    with _open(url, asked) as body:
        found = _RANGE.fullmatch(body.headers.get("Content-Range", ""))
        if body.status == 206 and found and int(found[1]) == have:
            total = None if found[2] == "*" else int(found[2])
            yield _Reply(body, have, total)
            return
        if body.status == 416 and found is None and _whole(body, have):
            yield _Reply(body, have, have)
            return
        if body.status != 200:
            file.truncate(0)
            raise _CutError(f"the server cannot continue it (HTTP {body.status})")
        file.truncate(0)
        version = _Version(url, _validator(body))
        replacing.replace(notes, msgspec.json.encode(version), mode=0o600)
        length = body.headers.get("Content-Length", "")
        yield _Reply(body, 0, int(length) if length.isdigit() else None)


def _whole(body: http.client.HTTPResponse, have: int) -> bool:
    """Whether the server says that nothing is missing: `Content-Range: bytes */TOTAL`."""
    return body.headers.get("Content-Range", "") == f"bytes */{have}"


def _receive(url: str, reply: _Reply, file: BinaryIO, progress: Progress) -> None:
    """Append the body to the part; _CutError where it is too short."""
    count, total = reply.start, reply.total
    disk = os.fstatvfs(file.fileno())
    room = disk.f_bavail * disk.f_frsize
    if total is not None and total - count > room:
        what = f"{url} needs {(total - count) >> 20} MiB, but there are {room >> 20} MiB free"
        raise UserError(what, "make room below /var/lib/pyvirt/images")
    file.seek(count)
    progress(count, total)
    while total is None or count < total:
        try:
            chunk = reply.body.read1(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _CutError(_why(error)) from None
        if not chunk:
            break
        write_all(file, chunk)
        count += len(chunk)
        progress(count, total)
    if total is not None and count != total:
        raise _CutError(f"the connection ended after {count} of {total} bytes")


def _validator(body: http.client.HTTPResponse) -> str:
    """What If-Range takes: a strong ETag, else the date of the last change."""
    tag = body.headers.get("ETag", "")
    return tag if tag.startswith('"') else body.headers.get("Last-Modified", "")


@contextlib.contextmanager
def _open(url: str, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
    """The server's answer; UserError where it says no, _CutError where another try may help."""
    agent = {"User-Agent": f"pyvirt/{__version__}", "Accept-Encoding": "identity"}
    asked = urllib.request.Request(url, headers=agent | headers)  # noqa: S310  check_url
    try:
        answer = urllib.request.build_opener(_SafeRedirect).open(asked, timeout=_SILENCE)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            error.close()
            raise _refusal(url, error) from None
        answer = error
    except (OSError, http.client.HTTPException) as error:
        raise _CutError(_why(error)) from None
    except ValueError as error:  # a redirect to nonsense
        raise UserError(f"cannot download {url}: {error}", "check the URL", "invalid") from None
    with answer:
        yield answer


def _remove(part: Path) -> None:
    part.with_suffix(".json").unlink(missing_ok=True)
    part.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # another download is there
        part.parent.rmdir()


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    said = " ".join(f"HTTP {error.code} {error.reason}".split())
    if error.code in {408, 429, 500, 502, 503, 504}:
        return _CutError(said)
    code: Final = "not-found" if error.code in {404, 410} else "failed"
    return UserError(f"cannot download {url}: {said}", "check the URL", code)


def _why(error: Exception) -> str:
    """One line about a broken connection."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return f"the server has sent nothing for {_SILENCE:g} s"
    said = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return " ".join(said.split())


def _forget_old(folder: Path) -> None:
    """Remove downloads that were not continued for a week."""
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - _OLD:
                path.unlink()
