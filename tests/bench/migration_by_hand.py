"""A guest that migrates without pyvirt: two plain QEMUs, QMP and TCP, as a manual shows it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from leasewatch.pyvirt.domains.qmp_session import QmpSession
from leasewatch.pyvirt.migration.modes import Switch
from tests.system.two_hosts import ADDRESSES, TwoHosts
from tests.system.world import World

MAC = "52:54:00:00:99:01"
_TAP = "byhand"
_PORT = 4444
_DEADLINE = 120.0


class Moved(NamedTuple):
    """What QEMU said of a migration; times in ms."""

    status: str
    why: str
    total: float
    downtime: float
    switched: bool
    """It was post-copy for a while."""


class HandQemu:
    """A QEMU in a world, with pyvirt's devices and the network `lan`."""

    def __init__(self, hosts: TwoHosts, world: World, *, arriving: bool) -> None:
        self._world = world
        world.run(["ip", "tuntap", "add", _TAP, "mode", "tap"])
        world.run(["ip", "link", "set", _TAP, "master", "br0", "up"])
        qmp = f"/run/byhand-{time.monotonic_ns()}.qmp"
        argv = [
            *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"),
            *("-machine", "pc-q35-7.2", "-accel", "tcg,tb-size=64", "-cpu", "max", "-m", "96"),
            *("-serial", "null", "-qmp", f"unix:{qmp},server=on,wait=off"),
            *("-kernel", str(hosts.guest.kernel), "-initrd", str(hosts.guest.initrd)),
            *("-append", "console=ttyS0 quiet", "-device", "pvpanic"),
            *("-netdev", f"tap,id=net0,ifname={_TAP},script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=net0,mac={MAC},romfile="),
            *("-object", "rng-builtin,id=rng", "-device", "virtio-rng-pci,rng=rng"),
            *("-device", "virtio-balloon-pci"),
            *(("-incoming", "defer", "-S") if arriving else ()),
        ]
        self.program = world.spawn(argv)
        socket = world.root / qmp[1:]
        world.wait_for("QEMU to listen", lambda: qmp in world.run(["ss", "-Hlx"]).stdout)
        self._qmp = QmpSession(socket, 60)

    def ask(self, command: str, **arguments: object) -> Any:
        """A command's return value."""
        given = {name.replace("_", "-"): value for name, value in arguments.items()}
        return self._qmp.ask(command, given)

    def set(self, capabilities: Sequence[str], parameters: Mapping[str, object]) -> None:
        """What a migration needs of it."""
        on = [{"capability": name, "state": True} for name in capabilities]
        self._qmp.ask("migrate-set-capabilities", {"capabilities": on})
        self._qmp.ask("migrate-set-parameters", parameters)

    def end(self) -> None:
        """End it, and remove its tap."""
        self._qmp.close()
        self.program.kill()
        self.program.wait(60)
        self._world.run(["ip", "link", "delete", _TAP], check=False)


def migrate(
    source: HandQemu,
    destination: HandQemu,
    capabilities: Sequence[str],
    ours: Mapping[str, object],
    theirs: Mapping[str, object],
    switch: Switch = "",
    *,
    to: str = "kvm2",
) -> Moved:
    """Move the guest; it goes on at the destination as soon as that has it."""
    destination.set(capabilities, theirs)
    source.set(capabilities, ours)
    uri = f"tcp:{ADDRESSES[to]}:{_PORT}"
    destination.ask("migrate-incoming", uri=uri)
    source.ask("migrate", uri=uri)
    deadline, switched, asked = time.monotonic() + _DEADLINE, False, False
    while True:
        answer = source.ask("query-migrate")
        status = answer.get("status", "none")
        passes = answer.get("ram", {}).get("dirty-sync-count", 0)
        if switch and not asked and status == "active" and (switch == "at-once" or passes > 1):
            source.ask("migrate-start-postcopy")
            asked = True
        if status == "postcopy-active" and not switched:
            switched = True
            destination.ask("cont")
        if status in {"completed", "failed", "cancelled"}:
            break
        assert time.monotonic() < deadline, answer
        time.sleep(0.005)
    if status == "completed" and not switched:
        destination.ask("cont")
    why, total = answer.get("error-desc", ""), answer.get("total-time", 0)
    return Moved(status, why, total, answer.get("downtime", 0), switched)
