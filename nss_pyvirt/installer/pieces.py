"""The pieces of an installation: where each one is, and what it contains. Changes nothing."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import sysconfig
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from nss_pyvirt import __version__
from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import installation, rootfs

NSSWITCH: Final = "/etc/nsswitch.conf"
NSSWITCH_MADE: Final = "# Made by nss-pyvirt install; remove takes it away\n"
"""The first line of a file that install has made; without it, the file stays."""
VENDOR_NSSWITCH: Final = "/usr/etc/nsswitch.conf"  # openSUSE: read when /etc has none
UNIT: Final = "leasewatch.service"
DNS: Final = "leasewatch-dns.service"
"""Skipped at each start until [dns] in the settings asks for something."""
APPEARED: Final = "leasewatch-sources.path"
RESTARTS: Final = "leasewatch-sources.service"
"""Notices that a folder appears that leasewatch.service may see, and restarts that."""
UP: Final = "pyvirt.service"
"""Runs `pyvirt up` at boot."""
PARENTS: Final = ("pyvirt-network@.service", "pyvirt-domain@.service", "pyvirt-networks.target")
"""What a started network or domain is an instance of, and the target between the two."""
TMPFILES: Final = "leasewatch.tmpfiles"
PRESET: Final = "nss-pyvirt.preset"
SYSTEM_FILES: Final = {
    UNIT: "/etc/systemd/system/leasewatch.service",
    TMPFILES: "/etc/tmpfiles.d/leasewatch.conf",
    PRESET: "/etc/systemd/system-preset/50-nss-pyvirt.preset",
    **{unit: f"/etc/systemd/system/{unit}" for unit in (*PARENTS, UP, DNS, APPEARED, RESTARTS)},
}
"""File of nss_pyvirt/installer/system -> where it goes, on systems with systemd."""
SOCKETS: Final = {
    f"leasewatch-resolve-{what}.socket": f"/etc/systemd/system/leasewatch-resolve-{what}.socket"
    for what in ("names", "zones")
}
"""The same, where systemd-resolved has hooks. They start with the service."""
FIRST_WITH_HOOKS: Final = 259
"""The version of systemd whose systemd-resolved asks hooks."""
HOOKS: Final = "/run/systemd/resolve.hook"
"""Where systemd-resolved looks for hooks; made by the first of their sockets."""
SETTINGS: Final = "/etc/pyvirt/leasewatch.toml"
RUN: Final = "/run/leasewatch"
DNS_RUN: Final = "/run/leasewatch-dns"
SNAPSHOT: Final = f"{RUN}/hosts.v1"
HISTORY: Final = "/var/lib/leasewatch"
DNS_STATE: Final = "/var/lib/leasewatch-dns"
DNS_KEYS: Final = "/etc/pyvirt/dns"

DEB_UNITS: Final = "/usr/lib/systemd/system"
_UNIT_FOLDERS: Final = ("/etc/systemd/system", DEB_UNITS, "/lib/systemd/system")
"""Where a unit is looked for; the first one counts."""
_SOCKET: Final = f"{RUN}/org.pyvirt.LeaseWatch"
_DNS_SOCKET: Final = f"{DNS_RUN}/org.pyvirt.Dns"
_LIBRARIES: Final = ("usr/lib/systemd", "usr/lib64/systemd", "usr/lib/*/systemd", "lib/*/systemd")
"""Below a root: where systemd has its private library libsystemd-shared-VERSION.so."""
_ROOT: Final = b"TemporaryFileSystem=/:ro\n"
"""The empty root of a service, which is then shown its program."""
_SEAL: Final = b"# Written by nss-pyvirt install, which replaces it, unless changed: "


@dataclass(frozen=True, slots=True)
class System:
    """The system below `root`; its service runs `program`, a path inside it."""

    root: Path
    program: str

    @property
    def running(self) -> bool:
        """Whether this is the running system, not an image."""
        return self.root == Path("/")

    @property
    def has_systemd(self) -> bool:
        """Whether systemd is installed in it."""
        return any(self.at(f"{lib}/systemd/system").is_dir() for lib in ("/usr/lib", "/lib"))

    @property
    def has_resolve_hooks(self) -> bool:
        """Whether its systemd-resolved asks hooks: systemd 259 and later."""
        return systemd_version(self.root) >= FIRST_WITH_HOOKS

    @property
    def system_files(self) -> dict[str, str]:
        """What of SYSTEM_FILES and SOCKETS belongs into it."""
        return SYSTEM_FILES | SOCKETS if self.has_resolve_hooks else SYSTEM_FILES

    @property
    def booted(self) -> bool:
        """Whether systemd is its PID 1; sd_booted(3)."""
        return self.running and _booted()

    def at(self, path: str) -> Path:
        """Where one of its absolute paths leads to."""
        return rootfs.locate(self.root, path)


def this_system(root: Path) -> System:
    """The system below `root`; its service is the `leasewatch` that was installed with us."""
    if installation.is_deb():
        return System(root=root, program=installation.DEB_PROGRAM)
    program = Path(sysconfig.get_path("scripts"), "leasewatch")
    inside = Path("/", program.relative_to(root)) if program.is_relative_to(root) else program
    return System(root=root, program=str(inside))


def _booted() -> bool:
    return Path("/run/systemd/system").is_dir()


def systemd_version(root: Path) -> int:
    """The version of the systemd below `root`, running or not; 0: none."""
    files = (file for folder in _LIBRARIES for file in root.glob(f"{folder}/libsystemd-shared-*"))
    numbers = (re.match(r"libsystemd-shared-([0-9]{1,4})", file.name) for file in files)
    return max((int(number[1]) for number in numbers if number), default=0)


def start_command() -> str:
    """The command that starts the service on this system."""
    if not _booted():
        return "sudo leasewatch serve"
    installed = any(Path(folder, UNIT).exists() for folder in _UNIT_FOLDERS)
    return f"sudo systemctl restart {UNIT}" if installed else installation.repair("leasewatch")


def nsswitch_text(system: System) -> str:
    """The nsswitch.conf that glibc reads; bytes that are not UTF-8 become surrogates.

    Raises UserError if it is no regular file.
    """
    for path in (system.at(NSSWITCH), system.at(VENDOR_NSSWITCH)):
        if path.exists() and not path.is_file():  # a FIFO would keep us waiting
            raise UserError(
                f"{path} is not a regular file", "put the system's own file there", "invalid"
            )
        if path.exists():
            return path.read_bytes().decode(errors="surrogateescape")
    return ""


def packaged(name: str) -> bytes:
    """A file of nss_pyvirt/installer/system, as the package has it."""
    return (Path(__file__).parent / "system" / name).read_bytes()


def version() -> str:
    """The version number and a hash of pip's record, which tells two builds of one number apart."""
    records = Path(__file__).parents[2].glob("nss_pyvirt-*.dist-info/RECORD")
    hashed = "".join(hashlib.sha256(record.read_bytes()).hexdigest()[:16] for record in records)
    return f"{__version__} {hashed}".strip()


def system_file(name: str, system: System, *, is_build_known: bool = True) -> bytes:
    """A file of the folder `system` as it is installed: filled in, with a seal as its first line.

    Each version of the program has another content, so that an upgrade restarts the service. For an
    image only the version number is known, because its program is another installation.
    """
    content = packaged(name)
    for mark, program in ((b"@LEASEWATCH@", "leasewatch"), (b"@PYVIRT@", "pyvirt")):
        path = PurePosixPath(system.program).with_name(program)
        content = content.replace(mark, os.fsencode(path))
    if outside := prefixes(system):
        shown = os.fsencode(f"BindReadOnlyPaths={' '.join(outside)}\n")
        content = content.replace(_ROOT, _ROOT + shown)
    which = version() if system.running and is_build_known else __version__
    return sealed(f"# For nss-pyvirt {which}\n".encode() + content)


def prefixes(system: System) -> list[str]:
    """The folders of the service's program and of its Python, without those in /usr."""
    python = system.at(str(PurePosixPath(system.program).with_name("python")))
    programs = (PurePosixPath(system.program), PurePosixPath("/", python.relative_to(system.root)))
    found = {program.parents[1] for program in programs}
    return sorted(str(folder) for folder in found if not folder.is_relative_to("/usr"))


def sealed(content: bytes) -> bytes:
    """The content behind a line by which `is_ours` knows it."""
    return _SEAL + hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def is_ours(content: bytes) -> bool:
    """Whether an installed system file is unchanged since some version of us wrote it."""
    first, _, rest = content.partition(b"\n")
    return first == _SEAL + hashlib.sha256(rest).hexdigest().encode()


def program_of(unit: bytes) -> str:
    """The `leasewatch` that an installed unit runs; empty if it names none."""
    lines = unit.decode(errors="replace").splitlines()
    command = next((line for line in lines if line.startswith("ExecStart=")), "")
    return command.removeprefix("ExecStart=").removesuffix(" serve")


def service_program(system: System) -> str:
    """The `leasewatch` that the system's unit runs; empty if it has no such unit."""
    units = [system.at(f"{folder}/{UNIT}") for folder in _UNIT_FOLDERS]
    unit = next((path for path in units if path.is_file()), None)
    return program_of(unit.read_bytes()) if unit else ""


def boot_link(system: System, unit: str) -> Path:
    """The link that `systemctl enable` makes and any user can see: the unit starts at boot."""
    wanted_by = UNIT if unit in SOCKETS else "multi-user.target"
    return system.at(f"/etc/systemd/system/{wanted_by}.wants") / unit


def started(system: System) -> list[tuple[str, str]]:
    """What pyvirt runs on this system: `domain` or `network`, and its name; domains first."""
    if not system.running:
        return []
    states = [(kind, Path(f"/run/pyvirt/{kind}s")) for kind in ("domain", "network")]
    return [(kind, file.stem) for kind, run in states for file in sorted(run.glob("*.json"))]


def account(system: System, user: str, table: str = "passwd") -> list[str]:
    """The fields of a user in the system's passwd(5) or group(5); empty: no such user."""
    path = system.at(f"/etc/{table}")
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return next((line.split(":") for line in lines if line.startswith(f"{user}:")), [])


def service_answers(system: System) -> bool:
    """Whether leasewatch.service listens on its socket, however it was started."""
    return _listens(system.at(_SOCKET))


def any_answers(system: System) -> bool:
    """Whether leasewatch or its DNS process listens, however it was started."""
    return service_answers(system) or _listens(system.at(_DNS_SOCKET))


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True
