"""The Debian packages as a user has them: built, a later version of them, and what they need."""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.shipped import ROOT, run
from tests.system.machine import Machine

NAMES = ("libnss-pyvirt", "leasewatch", "pyvirt")


_LATER = "/opt/later"
_INDEX = """
cd {0}
for deb in *.deb; do
    dpkg-deb --field "$deb"
    echo "Filename: ./$deb"
    echo "Size: $(stat -c %s "$deb")"
    echo "SHA256: $(sha256sum <"$deb" | cut -d' ' -f1)"
    echo
done >Packages
echo 'deb [trusted=yes] file:{0} ./' >/etc/apt/sources.list.d/later.list
"""


@functools.cache
def build(suite: str) -> tuple[Path, ...]:
    """The packages for a suite, of this checkout."""
    made = run(ROOT / "packaging/deb", "--suite", suite, timeout=2400).splitlines()
    return tuple(deb for deb in map(Path, made) if deb.parent.name == suite)


def publish_later(debs: Iterable[Path], folder: Path, machine: Machine) -> None:
    """Have apt find a later version there, once its lists are updated."""
    place = machine.root / _LATER[1:]
    place.mkdir()
    for deb in later(debs, folder):
        shutil.copy(deb, place)
    machine.sh(_INDEX.format(_LATER))


def needed(debs: Iterable[Path], *, recommended: bool) -> list[str]:
    """The packages of Debian that they depend on, and recommend: of alternatives the first."""
    fields = ["Depends", *(["Recommends"] if recommended else [])]
    found: set[str] = set()
    for deb in debs:
        for field in fields:
            for name in run("dpkg-deb", "--field", deb, field).split(","):
                found.update(re.findall(r"^[\w.+-]+", name.strip()))
    return sorted(found - {*NAMES})


def later(debs: Iterable[Path], folder: Path) -> list[Path]:
    """The same packages with a higher version, below `folder`; much faster than a build."""
    made = []
    for deb in debs:
        tree = folder / deb.stem
        tree.parent.mkdir(parents=True, exist_ok=True)
        run("dpkg-deb", "--raw-extract", deb, tree)
        control = tree / "DEBIAN/control"
        text = control.read_text()
        (version,) = re.findall(r"^Version: (.*)$", text, re.MULTILINE)
        control.write_text(text.replace(version, f"{version}.1"))
        new = folder / deb.name.replace(version, f"{version}.1")
        run("dpkg-deb", "-Zgzip", "-z1", "--build", tree, new)
        made.append(new)
    return made
