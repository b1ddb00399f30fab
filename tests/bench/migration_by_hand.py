"""A guest that moves without pyvirt: plain QEMUs, QMP and TCP, as QEMU's manual shows it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from leasewatch.pyvirt.domains.qmp_session import QmpSession
from leasewatch.pyvirt.migration.modes import Switch
from tests.bench.migration_events import Times, Watch
from tests.bench.timing import BenchError
from tests.system.two_hosts import ADDRESSES, TwoHosts
from tests.system.world import World

MAC = "52:54:00:00:99:01"
_TAP = "byhand"
_PORT = 4444
_DEADLINE = 120.0
_WELCOME = ("events", "return-path")


class Way(NamedTuple):
    """How it moves, in QEMU's words."""

    capabilities: Sequence[str] = ()
    parameters: Mapping[str, object] = {}
    switch: Switch = ""


class HandQemu:
    """A QEMU in a world, with pyvirt's devices and the network `lan`."""

    def __init__(self, hosts: TwoHosts, world: World, *, arriving: bool) -> None:
        self._world = world
        world.run(["ip", "tuntap", "add", _TAP, "mode", "tap"])
        world.run(["ip", "link", "set", _TAP, "master", "br0", "up"])
        # One monitor is the mover's, and the other one is watched.
        sockets = [f"/run/byhand-{time.monotonic_ns()}.{name}" for name in ("qmp", "events")]
        argv = [
            *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"),
            *("-machine", "pc-q35-7.2", "-accel", "tcg,tb-size=64", "-cpu", "max", "-m", "96"),
            *("-serial", "null", "-kernel", str(hosts.guest.kernel)),
            *(word for path in sockets for word in ("-qmp", f"unix:{path},server=on,wait=off")),
            *("-initrd", str(hosts.guest.initrd), "-append", "console=ttyS0 quiet"),
            *("-netdev", f"tap,id=net0,ifname={_TAP},script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=net0,mac={MAC},romfile=", "-device", "pvpanic"),
            *("-object", "rng-builtin,id=rng", "-device", "virtio-rng-pci,rng=rng"),
            *("-device", "virtio-balloon-pci"),
            *(("-incoming", "defer") if arriving else ()),
        ]
        self.program = world.spawn(argv)
        self.events = world.root / sockets[1][1:]
        world.wait_for("QEMU", lambda: sockets[1] in world.run(["ss", "-Hlx"]).stdout)
        self._qmp = QmpSession(world.root / sockets[0][1:], 60)

    def ask(self, command: str, **arguments: object) -> Any:
        """A command's return value."""
        return self._qmp.ask(command, arguments)

    def set(self, way: Way) -> None:
        """What a move needs of it. How it came here is forgotten."""
        while self._qmp.next_event(time.monotonic()) is not None:
            continue
        known = [each["capability"] for each in self.ask("query-migrate-capabilities")]
        wanted = {*_WELCOME, *way.capabilities}
        states = [{"capability": name, "state": name in wanted} for name in known]
        self._qmp.ask("migrate-set-capabilities", {"capabilities": states})
        self._qmp.ask("migrate-set-parameters", {"max-bandwidth": 2**62, **way.parameters})

    def follow(self, way: Way) -> bool:
        """Wait for the end; it may have begun to run there before. Returns whether it did."""
        deadline, asked, went_first = time.monotonic() + _DEADLINE, False, False
        while time.monotonic() < deadline:
            event = self._qmp.next_event(time.monotonic() + 0.2)
            name, data = (event.event, event.data) if event is not None else ("", {})
            status = data["status"] if name == "MIGRATION" else ""
            passed = name == "MIGRATION_PASS" and data["pass"] > 1
            now = status == "active" if way.switch == "at-once" else passed
            if way.switch and now and not asked:
                asked = True
                self.ask("migrate-start-postcopy")
            went_first |= status == "postcopy-active"
            if status in {"completed", "failed"}:
                break
        answer = self.ask("query-migrate")
        if answer["status"] != "completed":
            raise BenchError(f"QEMU by hand: {answer}")
        return went_first

    def end(self) -> None:
        """End it, and remove its tap."""
        self._qmp.close()
        self.program.kill()
        self.program.wait(60)
        self._world.run(["ip", "link", "delete", _TAP], check=False)


class HandGuest:
    """A guest that goes to and fro."""

    def __init__(self, hosts: TwoHosts) -> None:
        self._hosts = hosts
        self._here, self._there = "kvm1", "kvm2"
        self._qemu = HandQemu(hosts, hosts.kvm1, arriving=False)
        leases = hosts.kvm1.root / "run/site.leases"

        def leased() -> str:
            rows = [line.split() for line in leases.read_text().splitlines()]
            return next((row[2] for row in rows if len(row) == 5 and row[1] == MAC), "")

        self.address: str = hosts.kvm1.wait_for("a lease for the guest by hand", leased, 120)
        hosts.log_in(self.address, "true")

    def move(self, way: Way) -> Times:
        """Move it; it goes on as soon as QEMU has all that it needs."""
        source = self._qemu
        destination = HandQemu(self._hosts, self._hosts.worlds[self._there], arriving=True)
        self._qemu = destination
        watch = Watch(self._hosts, self.address, source.events, destination.events)
        uri = f"tcp:{ADDRESSES[self._there]}:{_PORT}"
        for qemu in (destination, source):
            qemu.set(way)
        destination.ask("migrate-incoming", uri=uri)
        watch.begin()
        source.ask("migrate", uri=uri)
        went_first = source.follow(way)
        watch.follow(lambda: False)
        if went_first != bool(way.switch):
            raise BenchError("the guest was there before post-copy began")
        source.end()
        self._here, self._there = self._there, self._here
        return watch.times()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """It stands still meanwhile."""
        self._qemu.ask("stop")
        yield
        self._qemu.ask("cont")

    def end(self) -> None:
        """End it."""
        self._qemu.end()
