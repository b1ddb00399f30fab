"""`pyvirt domain set`: the table of its keys."""

from __future__ import annotations

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import halves, keys, values
from leasewatch.pyvirt.cli.keys import Key
from nss_pyvirt.terminal import commands, frame
from nss_pyvirt.terminal.commands import Command

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Final


_COMMAND = "pyvirt domain set"


def _file(text: str) -> str | None:
    """The absolute path of a file; empty: none."""
    return str(values.local_path(text).absolute()) if text else None


def _disk(text: str) -> Path:
    return values.local_path(text)


def _address(text: str) -> str:
    from leasewatch.pyvirt.defined.domain import parse_address  # noqa: PLC0415  start-up time

    return parse_address(text)


KEYS: Final = {
    "memory": Key(values.mebibytes(32, 4 << 20), "SIZE", "Memory, e.g. 4G."),
    "cpus": Key(commands.whole_number(1, 255), "NUMBER", "Virtual CPUs."),
    "alias": Key(str, "NAME", "Further names that resolve.", is_list=True),
    "network": Key(str, "NETWORK", "Networks; a new card gets a new MAC.", is_list=True),
    "address": Key(_address, "IPV4", "Fixed address, on the network that has it.", is_list=True),
    "disk": Key(_disk, "FILE", "A disk more or less; -= deletes it.", is_list=True, replaces=False),
    "size": Key(values.disk_size, "SIZE", "Enlarge the first disk, e.g. 40G."),
    "volume": Key(str, "VOLUME", "Volumes, while it is stopped.", is_list=True),
    "secret-file": Key(_file, "FILE", "Passphrase of its disks; empty: ask."),
    "accel": Key(keys.one_of("auto", "kvm", "tcg"), "auto|kvm|tcg", "As for create."),
    "machine": Key(str, "TYPE", "QEMU's machine type; empty: its newest."),
    "cdrom": Key(_file, "FILE", "ISO image that starts if no disk does; empty: none."),
    "firmware": Key(keys.one_of("bios", "uefi"), "bios|uefi", "What starts the disk."),
    "kernel": Key(_file, "PATH", "Kernel to start; empty: the disk's own."),
    "initrd": Key(_file, "PATH", "Initial RAM disk for the kernel; empty: none."),
    "append": Key(str, "TEXT", "Kernel command line."),
    "mac-filtering": Key(keys.switch, "on|off", "off for a guest that bridges."),
    "autostart": Key(keys.switch, "on|off", "Whether it starts when the host boots."),
    "stop-timeout": Key(commands.seconds, "TIME", "How long it may take to shut down, e.g. 2m."),
}


def _set(name: str, changes: Sequence[str]) -> None:
    from leasewatch.pyvirt.domains import settings  # noqa: PLC0415  start-up time

    halves.report_change(settings.apply(Paths(), name, keys.read(changes, KEYS, _COMMAND)))


_set.__doc__ = f"""Change a domain: all of it, or nothing if one value is wrong.

A list takes several values, with commas; += adds to it, and -= removes from it.

{keys.described(KEYS)}
"""
command = Command(
    _set,
    (halves.one_name("domain"), keys.words(KEYS)),
    needs_root=True,
    epilog=frame.examples(
        "sudo pyvirt domain set web1 memory=4G cpus=2",
        "sudo pyvirt domain set web1 alias+=www,shop address=10.77.0.50",
    ),
)
