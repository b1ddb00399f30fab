"""`nss-pyvirt install`, `remove` and `status`: options in, lines out; it decides nothing."""

from __future__ import annotations

from nss_pyvirt import __version__
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Param

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

    from nss_pyvirt.installer.pieces import System


def _root(text: str) -> Path:
    """The folder; raises ValueError if it is none."""
    from pathlib import Path  # noqa: PLC0415  start-up time

    folder = Path(text)
    if not folder.is_dir():
        why = "is not a folder" if folder.exists() else "does not exist"
        raise ValueError(f'"{text}" {why}')
    return folder.resolve()


_ROOT = Param(
    "--root",
    metavar="DIRECTORY",
    kind=_root,
    default="/",
    help="Another system's root folder, e.g. of an image.",
)


def _system(root: Path) -> System:
    from nss_pyvirt.installer.pieces import this_system  # noqa: PLC0415  start-up time

    return this_system(root)


_DOCTOR = "leasewatch.doctor.cli"
"""The package leasewatch uses this one, so it is not imported before it is needed."""

command = commands.Group(
    "Install or remove the NSS module pyvirt.",
    version=__version__,
    epilog=frame.examples(
        "sudo nss-pyvirt install --ssh",
        "nss-pyvirt status",
        "sudo nss-pyvirt remove",
        "nss-pyvirt install --root /mnt/image",
    ),
)


@command.command(
    _ROOT,
    Param(
        "--ssh", flag=True, help="Let ssh wait for domains of pyvirt that have just been started."
    ),
)
def install(root: Path, *, ssh: bool) -> None:
    """Install the module, its nsswitch.conf entry and the service.

    Puts libnss_pyvirt.so.2 into glibc's folder and `pyvirt [TRYAGAIN=return]` into the hosts line
    of /etc/nsswitch.conf, after `files` and before everything that would hide it. Adds the system
    users leasewatch, leasewatch-dns and pyvirt-qemu, the group pyvirt (see `leasewatch admin`) and,
    if systemd is present, leasewatch.service, leasewatch-dns.service (see `leasewatch dns`) and the
    units of pyvirt, which start networks and domains at boot. Links the man pages of a virtual
    environment and tab completion for bash, zsh and fish to where these look. Lets ssh verify the
    first login to a domain of pyvirt, and programs that AppArmor confines ask the module.

    Running it again is harmless. After an upgrade it updates outdated files and restarts the
    service; names keep resolving. If a step fails, the earlier ones are undone.

    If apt has installed this program, only --ssh and a missing nsswitch.conf entry are left to do.
    """
    from nss_pyvirt.installer import deb, installation  # noqa: PLC0415  start-up time
    from nss_pyvirt.installer.install import install as put  # noqa: PLC0415  start-up time

    if installation.is_deb():
        _say(deb.install(_system(root), ssh=ssh), "apt has installed everything already")
    else:
        _say(put(_system(root), ssh=ssh), "everything is installed already")


_PURGE = "Delete all data, too: settings, history, networks, domains, disks, images, keys."


@command.command(_ROOT, Param("--purge", flag=True, help=_PURGE))
def remove(root: Path, *, purge: bool) -> None:
    """Undo everything that install did, and delete the published names.

    What somebody else has changed since is left alone, and so is what Debian's packages own.
    Removes this host's names from the zone of [dns.update], if its server answers. Settings and
    data stay without --purge, which is refused while a network or domain is started. Without it,
    those that are still started are named: stop them before you delete the programs.
    """
    from nss_pyvirt.installer import deb, installation  # noqa: PLC0415  start-up time
    from nss_pyvirt.installer.pieces import started  # noqa: PLC0415  start-up time
    from nss_pyvirt.installer.remove import remove as take_out  # noqa: PLC0415  start-up time

    system = _system(root)
    if installation.is_deb():
        _say(deb.remove(system), "")
        return
    _say(take_out(system, purge=purge), "nothing is installed")
    if names := ", ".join(f"{kind} {name}" for kind, name in started(system)):
        what = f"still started: {names}"
        frame.print_warning("nss-pyvirt", UserError(what, "sudo pyvirt down", "running"))


@command.command(_ROOT, commands.output("table", "json", help="How to print the parts."))
def status(root: Path, output: Literal["table", "json"]) -> int:
    """Show whether what is installed works, and what to type if not.

    On the running system these are the checks of `leasewatch doctor`. Exits with 1 if one is bad.
    """
    from importlib import import_module  # noqa: PLC0415  start-up time

    from nss_pyvirt.installer.status import status as look  # noqa: PLC0415  start-up time
    from nss_pyvirt.terminal import report  # noqa: PLC0415  start-up time

    system = _system(root)
    if not system.running:
        return report.write(look(system), output)
    rows = import_module(_DOCTOR).rows()  # only there are the service's packages needed
    return report.write(rows, output, "sudo nss-pyvirt status")


def _say(done: list[str], nothing: str) -> None:
    for line in done or [nothing]:
        frame.print_done(line)


def main() -> int:
    """Entry point of the console script; returns the exit code."""
    return frame.run(command, "nss-pyvirt")
