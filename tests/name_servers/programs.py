"""The programs of the name servers: those unpacked below .cache, or those of a root's own /usr."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

_ROOT = Path(__file__).resolve().parents[2] / ".cache/name-servers"


class Programs(NamedTuple):
    """How to run a program, and where PowerDNS' files are."""

    before: tuple[str, ...]
    """A command line that runs what follows it."""
    root: Path
    """Where their files are, as this process sees them."""
    pdns_modules: str
    """PowerDNS' module-dir, as the programs see it."""

    def argv(self, program: str) -> list[str]:
        """The command line of a program, e.g. dig."""
        return [*self.before, program]


_MODULES = "/usr/lib/x86_64-linux-gnu/pdns"
_PATH = ":".join(f"{_ROOT}/usr/{folder}" for folder in ("sbin", "bin"))
UNPACKED = Programs(
    (
        *("env", f"LD_LIBRARY_PATH={_ROOT}/usr/lib/x86_64-linux-gnu"),
        f"PATH={_PATH}:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    _ROOT,
    f"{_ROOT}{_MODULES}",
)


def installed(root: Path) -> Programs:
    """Those of a root that the place is in; `root`: where this process sees it."""
    return Programs(("env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"), root, _MODULES)


def need() -> None:
    """Skip the test where nothing was unpacked."""
    if not (_ROOT / "usr/sbin/unbound").exists():
        pytest.skip("no name servers: packaging/prepare --test as root unpacks them")
