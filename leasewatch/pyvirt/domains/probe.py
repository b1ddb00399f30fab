"""Ask this host's QEMUs over QMP what they are, once for each program file."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from pathlib import Path
from typing import Any

import msgspec

from leasewatch.errors import UNDECODABLE
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.architectures import Arch
from leasewatch.pyvirt.domains import qemu, schema
from leasewatch.pyvirt.domains.machines import MACHINES, Machine
from leasewatch.pyvirt.domains.monitor import Monitor
from nss_pyvirt import programs, replacing
from nss_pyvirt.errors import UserError

OLDEST = (5, 2)
_LIMIT = 20.0  # seconds; 0.1 on a quiet machine
_ASKED = ("query-version", "query-machines", "query-qmp-schema")
_NEEDED = frozenset(("cont", "query-status", "stop", "system_powerdown"))
"""The commands that pyvirt gives to QEMU, without those that every QEMU has."""


class Qemu(msgspec.Struct, frozen=True):
    """What a QEMU has said. `file`: inode, bytes and modification time (ns) of its program."""

    file: tuple[int, int, int]
    version: tuple[int, int, int]
    machine: str
    """The machine type that `q35`, `virt` or `pseries` means, e.g. pc-q35-7.2."""
    machines: tuple[str, ...]
    migration: schema.Migration

    def check_machine(self, machine: str, domain: str) -> None:
        """UserError unless this QEMU has the machine type of a domain."""
        if machine and machine not in self.machines:
            what = f"QEMU {spelt(self.version)} has no machine {machine}, which {domain} has"
            hint = f"give it another one: sudo pyvirt domain set {domain} machine={self.machine}"
            raise UserError(what, hint, "missing")


def look(paths: Paths, arch: Arch = "x86_64") -> Qemu:
    """What this host's QEMU for guests of `arch` is; UserError as for `ask_once`."""
    return ask_once(paths.qemu / f"{arch}.json", MACHINES[arch])


def ask_once(memory: Path, machine: Machine = MACHINES["x86_64"]) -> Qemu:
    """What the file `memory` says, or a QEMU that is started for it (0.1 s), stored there.

    UserError if QEMU is not installed, too old or does not answer. It is no error if `memory`
    cannot be written.
    """
    program = programs.find(machine.program, machine.package)
    status = Path(program).stat()
    file = (status.st_ino, status.st_size, status.st_mtime_ns)
    with contextlib.suppress(OSError, *UNDECODABLE):
        known = msgspec.json.decode(memory.read_bytes(), type=Qemu)
        if known.file == file:
            return known
    found = _described(file, _answers(program), machine)
    with contextlib.suppress(OSError):
        replacing.replace(memory, msgspec.json.encode(found))
    return found


def spelt(version: tuple[int, ...]) -> str:
    """As people write it: 7.2.22."""
    return ".".join(map(str, version))


def _described(file: tuple[int, int, int], answers: dict[str, Any], machine: Machine) -> Qemu:
    upgrade = f"upgrade QEMU: apt install {machine.package}"
    try:
        numbers = answers["query-version"]["qemu"]
        version = (numbers["major"], numbers["minor"], numbers["micro"])
        machines = answers["query-machines"]
        names = tuple(each["name"] for each in machines)
        words = {each.get("alias", each["name"]): each["name"] for each in machines}
        newest = words.get(machine.newest, "")  # riscv64 has no versions of `virt`
        described = answers["query-qmp-schema"]
        missing = _NEEDED - {each["name"] for each in described if each["meta-type"] == "command"}
        migration = schema.migration(described)
    except (KeyError, TypeError) as error:
        raise UserError(f"{machine.program} gives unknown answers: {error}", upgrade) from None
    if version < OLDEST:
        what = f"QEMU {spelt(version)} is too old: pyvirt needs {spelt(OLDEST)} or newer"
        raise UserError(what, upgrade, "missing")
    if missing or not newest:
        lacks = f"the command {min(missing)}" if missing else f"the machine {machine.newest}"
        raise UserError(f"QEMU {spelt(version)} lacks {lacks}", upgrade, "missing")
    return Qemu(file, version, newest, names, migration)


def _answers(program: str) -> dict[str, Any]:
    """Start QEMU without a machine, ask it and end it: command -> its return value."""
    ours, theirs = socket.socketpair()
    with contextlib.closing(Monitor(ours)) as monitor, theirs:
        argv = qemu.asked_command(program, theirs.fileno())
        child = programs.Child(argv, kept=[theirs.fileno()])
        theirs.close()
        try:
            for command in ("qmp_capabilities", *_ASKED):
                monitor.ask(command)
            return _collect(monitor, Path(program).name)
        finally:
            child.kill()
            child.reap()


def _collect(monitor: Monitor, program: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    poll = select.poll()
    poll.register(monitor, select.POLLIN)
    deadline = time.monotonic() + _LIMIT
    while not found.keys() >= {*_ASKED} and monitor.is_open:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise UserError(f"{program} has not answered within {_LIMIT:g} s", code="timeout")
        found.update({each.command: each.value for each in monitor.read() if each.command})
    if not monitor.is_open and not found.keys() >= {*_ASKED}:
        hint = f"see what it says: {program} --version"
        raise UserError(f"{program} ended before it had answered", hint)
    return found
