"""Read JSON without the module json, whose import takes 5 ms."""

from __future__ import annotations

from _json import make_scanner

from nss_pyvirt.errors import UserError

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Any


class _Settings:
    """How json.loads reads."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float


_scan = make_scanner(_Settings)  # type: ignore[arg-type]  # it only reads the settings


def loads(text: str) -> Any:
    """As json.loads: the value with which the text begins; ValueError if that is no JSON."""
    try:
        return _scan(text, 0)[0]
    except (StopIteration, SystemError):  # Python 3.11 cannot say what is wrong without json
        raise ValueError("no JSON") from None


def read(path: str) -> dict[str, Any] | None:
    """The JSON object in a file; None if it is missing, invalid, or not readable for this user.

    UserError for any other failure: what runs must not be taken for stopped.
    """
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  start-up time
            value = loads(file.read())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError, ValueError):
        return None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    return value if isinstance(value, dict) else None
