"""Which requirements of pyproject.toml a release of Debian serves, and which need a wheel.

    python3 -m debs.dependencies

Prints what packaging/debian/wheels.lock pins, for pip: all of them, and what the build itself runs.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PACKAGES: Final = {"cffi": "python3-cffi-backend"}
"""Requirements whose Debian package is not called python3-NAME: generated code needs a part."""
BUILD: Final = ("setuptools>=70.1", "pycparser")
"""What a build runs besides: setuptools that makes wheels, and what cffi reads C with."""
_OPERATORS: Final = {">=": ("ge", ">="), "<": ("lt", "<<")}
"""Those of pyproject.toml -> dpkg's for a comparison, and for a dependency."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of pyproject.toml's dependencies."""

    name: str
    bounds: tuple[tuple[str, str], ...]
    """Operator and version, e.g. (">=", "7.1")."""

    @property
    def package(self) -> str:
        """Its Debian package."""
        return _PACKAGES.get(self.name, f"python3-{self.name}")

    @property
    def depends(self) -> str:
        """The same for debian/control."""
        each = (f"{self.package} ({_OPERATORS[sign][1]} {bound})" for sign, bound in self.bounds)
        return ", ".join(each)

    def __str__(self) -> str:
        return self.name + ",".join(map("".join, self.bounds))

    def allows(self, version: str) -> bool:
        """Whether a Debian version meets all bounds."""
        upstream = re.sub(r"^[0-9]+:|-[^-]*$", "", version)
        return all(
            subprocess.run(
                ["dpkg", "--compare-versions", upstream, _OPERATORS[sign][0], bound], check=False
            ).returncode
            == 0
            for sign, bound in self.bounds
        )


def requirements(pyproject: Path) -> list[Requirement]:
    """What the programs import, the optional packages for metrics included."""
    project = tomllib.loads(pyproject.read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["metrics"]]
    return [_parsed(line) for line in lines]


def _parsed(line: str) -> Requirement:
    match = re.fullmatch(r"([a-z-]+)((?:(?:>=|<)[0-9.]+,?)+)", line)
    if match is None:
        raise ValueError(f"a Debian package cannot depend on {line!r}")
    bounds = re.findall(r"(>=|<)([0-9.]+)", match[2])
    return Requirement(match[1], tuple(bounds))


def offered(package: str) -> str:
    """The version of a Debian package that apt would install; empty: there is none."""
    done = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", package],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    match = re.search(r"^Version: (.*)$", done.stdout, re.MULTILINE)
    return match[1] if match else ""


def split(wanted: list[Requirement]) -> tuple[list[Requirement], list[Requirement]]:
    """Those that this release of Debian serves, and those that need a wheel."""
    served = [one for one in wanted if (found := offered(one.package)) and one.allows(found)]
    return served, [one for one in wanted if one not in served]


if __name__ == "__main__":
    print("\n".join([*map(str, requirements(Path("pyproject.toml"))), *BUILD]))
