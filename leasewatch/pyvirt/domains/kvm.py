"""Test whether KVM works here, and keep the result until the next boot.

That /dev/kvm opens proves nothing: in a nested machine QEMU may abort, or the guest hang.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from leasewatch.errors import UNDECODABLE
from leasewatch.pyvirt.defined import architectures
from leasewatch.pyvirt.defined.architectures import Arch
from leasewatch.pyvirt.domains import qemu, sandbox
from leasewatch.pyvirt.domains.machines import MACHINES
from nss_pyvirt import pidfds, programs, replacing
from nss_pyvirt.errors import UserError
from nss_pyvirt.users import QEMU_USER

DEVICE = sandbox.KVM
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LIMIT = 2.0  # seconds; 0.1 where KVM works


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the test. `fresh`: this call made it."""

    accel: qemu.Chosen
    why: str
    boot: str
    device: bool
    fresh: bool = False


def probe(memory: Path) -> Verdict:
    """The result that the file `memory` holds, or that of a new test (at most 3 s), stored there.

    The test is repeated once QEMU's user can open /dev/kvm, or no longer. It is no error if
    `memory` cannot be written.
    """
    closed = _closed()
    boot, device = _BOOT_ID.read_text().strip(), not closed
    with contextlib.suppress(OSError, *UNDECODABLE):
        kept = msgspec.json.decode(memory.read_bytes(), type=Verdict)
        if (kept.boot, kept.device) == (boot, device):
            return kept
    is_pc = host() == "x86_64"  # the trial guest is a PC; elsewhere an open device must do
    failure = closed or (try_acceleration("kvm") if is_pc else "")
    verdict = Verdict(
        accel="tcg" if failure else "kvm", why=failure or "it works", boot=boot, device=device
    )
    with contextlib.suppress(OSError):
        replacing.replace(memory, msgspec.json.encode(verdict))
    return msgspec.structs.replace(verdict, fresh=True)


def host() -> Arch:
    """The architecture whose guests KVM can run here."""
    return architectures.of_host(os.uname().machine)


def check(arch: Arch | None = None) -> None:
    """UserError unless QEMU's user can open /dev/kvm and, if given, a guest is of that `arch`."""
    if arch not in (None, host()):
        what = f"KVM of this host runs guests of {host()} only, not of {arch}"
        raise UserError(what, "use accel auto: QEMU emulates the processor then", "invalid")
    try:
        status = DEVICE.stat()
    except FileNotFoundError:
        raise UserError(
            f"there is no {DEVICE}", "modprobe kvm-intel, or kvm-amd", "missing"
        ) from None
    if status.st_mode & 0o006 == 0o006 or (status.st_gid and status.st_mode & 0o060 == 0o060):
        return
    hint = f"sudo chgrp kvm {DEVICE}; sudo chmod 0660 {DEVICE}"
    raise UserError(f"{DEVICE} is closed to {QEMU_USER}", hint, "missing")


def _closed() -> str:
    """Why QEMU's user cannot open /dev/kvm, and what to type; empty if it can."""
    try:
        check()
    except UserError as error:
        return f"{error.what}: {error.hint}"
    return ""


def try_acceleration(accel: qemu.Chosen, limit: float = _LIMIT) -> str:
    """Run a throw-away virtual CPU for `limit` s at most; empty if it works, else the reason."""
    argv = qemu.probe_command(accel)
    argv[0] = programs.find(argv[0], MACHINES["x86_64"].package)
    guest = sandbox.spawn(
        argv,
        (None, None, None),
        account=sandbox.account(kvm=accel == "kvm"),
        files={"firmware": qemu.PROBE_FIRMWARE},
        kvm=accel == "kvm",
    )
    return _outcome(guest, limit)


def _outcome(guest: programs.Child, limit: float) -> str:
    if not pidfds.wait(guest.pidfd, limit):
        guest.kill()
        if pidfds.wait(guest.pidfd, 1):  # else it is stuck in the kernel until that lets it
            guest.reap()
        return f"a trial guest had not run 10 million instructions after {limit:g} s"
    code = guest.reap()
    if code == qemu.PROBE_PASSED:
        return ""
    return f"QEMU ended at once ({f'signal {-code}' if code < 0 else f'exit code {code}'})"
