"""What images may be called, and from which URLs they may come. Pure."""

from __future__ import annotations

import contextlib
import re
from typing import Final

from nss_pyvirt.errors import UserError

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
_DIGEST: Final = re.compile(r"[0-9a-f]{8,64}")


def check_name(name: str) -> None:
    """UserError for what cannot be an image's name."""
    if not _NAME.fullmatch(name) or is_digest(name):
        hint = "use up to 63 lower-case letters, digits, inner dots and hyphens, e.g. debian-12"
        raise UserError(f'"{name}" cannot be an image\'s name', hint, "invalid")


def is_digest(text: str) -> bool:
    """Whether it is the beginning of a SHA-256 that is long enough to find an image."""
    return _DIGEST.fullmatch(text) is not None


def check_url(url: str) -> None:
    """UserError unless it is an http or https URL of a file."""
    import urllib.parse  # noqa: PLC0415  start-up time

    parts = urllib.parse.urlsplit("")
    with contextlib.suppress(ValueError):
        parts = urllib.parse.urlsplit(url)
    plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain:
        raise UserError(f'"{url}" is not an http or https URL', code="invalid")
    if not file_name(url):
        raise UserError(f"{url} is the URL of a folder", "give the URL of a file", "invalid")


def file_name(url: str) -> str:
    """The name of the file at a URL."""
    import urllib.parse  # noqa: PLC0415  start-up time

    return urllib.parse.unquote(urllib.parse.urlsplit(url).path).rpartition("/")[2]
