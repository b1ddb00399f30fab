"""The architectures that guests may have, by the names that Linux and Debian give them. Pure."""

from __future__ import annotations

from typing import Final, Literal, get_args

from nss_pyvirt.errors import UserError

Arch = Literal["x86_64", "aarch64", "ppc64le", "riscv64"]
"""As `uname -m` spells it in a guest."""
ALL: Final[tuple[Arch, ...]] = get_args(Arch)
_DEBIAN: Final[dict[str, Arch]] = {"amd64": "x86_64", "arm64": "aarch64", "ppc64el": "ppc64le"}


def parse(text: str) -> Arch:
    """The architecture of that name, which may be Debian's (amd64, arm64, ppc64el); UserError."""
    for arch in ALL:
        if text.lower() in (arch, *(name for name, each in _DEBIAN.items() if each == arch)):
            return arch
    what = f'there are no guests of the architecture "{text}"'
    raise UserError(what, f"use one of {', '.join(ALL)}", "invalid")


def of_host(machine: str) -> Arch:
    """A host's, by its `uname -m`; x86_64 where guests cannot be of that architecture."""
    return next((arch for arch in ALL if arch == machine), "x86_64")
