"""Which kind of installation a program belongs to, and the commands that repair and remove it.

Reads files only. `root` is the system's, `/` or an image's; `program` is a `leasewatch` in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from nss_pyvirt.installer import rootfs

Kind = Literal["deb", "pipx", "venv", "checkout", "pip"]
"""`checkout`: `pip install --editable`; `pip`: no virtual environment, e.g. in /usr/local."""

TREE: Final = "/usr/lib/nss-pyvirt"
"""Where the Debian package `leasewatch` has its Python code."""
DEB_PROGRAM: Final = "/usr/bin/leasewatch"
PACKAGES: Final = ("pyvirt", "leasewatch", "libnss-pyvirt")
"""Our Debian packages, in the order in which they are removed."""

_DPKG: Final = "/var/lib/dpkg/status"
_INFO: Final = "nss_pyvirt-*.dist-info"
_NAMES: Final[dict[Kind, str]] = {
    "venv": "virtual environment",
    "checkout": "checkout with",
    "pip": "pip in",
}
_NOT_FOR_ALL: Final = ("/home/", "/root/")


@dataclass(frozen=True, slots=True)
class Installation:
    """One installation of this project; `program` is its `leasewatch`, behind all links."""

    kind: Kind
    program: str
    version: str = ""
    packages: tuple[str, ...] = ()
    """The Debian packages that are installed, for a `deb`."""

    @property
    def prefix(self) -> str:
        """The folder that holds its bin/."""
        return str(PurePosixPath(self.program).parents[1])

    @property
    def is_global(self) -> bool:
        """Whether it is for all users: a user's own pipx installs below the home folder."""
        return not self.prefix.startswith(_NOT_FOR_ALL)

    @property
    def uninstall(self) -> str:
        """The command that removes its programs."""
        if self.kind == "deb":
            return f"sudo apt remove {' '.join(self.packages or PACKAGES)}"
        if self.kind == "pipx":
            name = PurePosixPath(self.prefix).name
            whose = "sudo pipx uninstall --global" if self.is_global else "pipx uninstall"
            return f"{whose} {name}"
        pip = "pip" if self.kind == "pip" else f"{self.prefix}/bin/pip"
        return f"{'sudo ' * self.is_global}{pip} uninstall nss-pyvirt"

    def __str__(self) -> str:
        if self.kind == "deb":
            return "Debian package"
        if self.kind == "pipx":
            return f"pipx{' --global' * self.is_global} {self.prefix}"
        return f"{_NAMES[self.kind]} {self.prefix}"


def of(root: Path, program: str) -> Installation:
    """The installation that a program belongs to, followed through its links."""
    found = f"/{rootfs.locate(root, program).relative_to(root)}"
    prefix = rootfs.locate(root, str(PurePosixPath(found).parents[1]))
    if found == DEB_PROGRAM and (info := _info(rootfs.locate(root, TREE))):
        return Installation("deb", found, _version(info), tuple(packages(root)))
    folders = sorted(prefix.glob("lib/python3*/*-packages"))
    info = next(filter(None, map(_info, folders)), None)
    return Installation(_kind(prefix, info), found, _version(info))


def packages(root: Path) -> list[str]:
    """Which of our Debian packages dpkg has installed in the system."""
    status = _text(rootfs.locate(root, _DPKG))
    installed = set()
    for name in PACKAGES:  # of a foreign architecture, too
        begin = 0
        while (begin := status.find(f"\nPackage: {name}\n", begin)) >= 0:
            begin += 1
            paragraph = status[begin : status.find("\n\n", begin)]
            if "\nStatus: install ok installed" in paragraph:
                installed.add(name)
    return [name for name in PACKAGES if name in installed]


def is_deb() -> bool:
    """Whether the program that runs now is of the Debian package."""
    return str(Path(__file__).parents[2]) == TREE


def repair(package: str = "") -> str:
    """The command that puts the system's pieces back; `package`: the Debian one that has them."""
    if not is_deb():
        return "sudo nss-pyvirt install"
    return f"sudo apt install --reinstall {package or 'libnss-pyvirt leasewatch'}"


def _kind(prefix: Path, info: Path | None) -> Kind:
    if (prefix / "pipx_metadata.json").exists():
        return "pipx"
    if info and '"editable": true' in _text(info / "direct_url.json"):
        return "checkout"
    return "venv" if (prefix / "pyvenv.cfg").exists() else "pip"


def _info(folder: Path) -> Path | None:
    """The metadata of this project in a folder of Python packages."""
    return next(iter(sorted(folder.glob(_INFO))), None)


def _version(info: Path | None) -> str:
    return info.name.removesuffix(".dist-info").partition("-")[2] if info else ""


def _text(path: Path) -> str:
    """A file's content; empty: it is missing, or closed to us."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
