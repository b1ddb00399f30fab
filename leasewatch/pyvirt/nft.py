"""Apply and read nftables through nft(8): one call, one atomic transaction."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from nss_pyvirt import programs
from nss_pyvirt.errors import UserError

_PLACE = re.compile(r"^\S+:\d+:\d+-\d+: ")
"""The place in its input, which the user never sees."""
_LACKS = re.compile(r"not supported|No such file or directory")
"""EOPNOTSUPP, EAFNOSUPPORT, and ENOENT for a missing kernel module, in the C locale."""


class UnsupportedError(UserError):
    """nft is missing, or the kernel lacks a feature: retrying does not help."""

    code = "missing"


def apply(script: str, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Apply all of it or nothing; UserError (UnsupportedError) carries nft's first line.

    `meanwhile` is called while nft works.
    """
    _nft(["-f", "-"], script, meanwhile)


def ruleset() -> list[dict[str, Any]]:
    """Every table, chain and rule of the host, as libnftables JSON objects."""
    return _list("ruleset")


def has_table(name: str, family: str) -> bool:
    """Whether the table of this name is there."""
    return any(entry.get("table", {}).get("name") == name for entry in _list("tables", family))


def _list(*what: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = msgspec.json.decode(_nft(["-j", "list", *what], ""))["nftables"]
    return listed


def _nft(arguments: list[str], text: str, meanwhile: Callable[[], None] = lambda: None) -> str:
    try:
        programs.find("nft", "nftables")
    except UserError as error:
        raise UnsupportedError(error.what, error.hint) from None
    tool = programs.Tool(["nft", *arguments], package="nftables", text=text)
    try:
        meanwhile()
    finally:
        done = tool.finish()
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        hint = "needs root" if "not permitted" in done.stderr else "is nf_tables in this kernel?"
        kind = UnsupportedError if _LACKS.search(lines[0]) else UserError
        raise kind(f"nft: {_PLACE.sub('', lines[0])}", hint)
    return done.stdout
