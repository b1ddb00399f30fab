"""A primary: the parts of `leasewatch dns serve` that name servers see, as a process of its own.

    with primary(tmp_path / "primary", "127.0.0.1:5300", ["127.0.0.1:5301"]) as served:
        served.change({"web1.lab": "10.77.0.5"})

The process answers questions of the test at a Unix socket in its folder: JSON lines.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from subprocess import Popen
from typing import Any

import dns.exception
import dns.message
import dns.opcode
import dns.tsig

from leasewatch.daemon import logs
from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.dns import catalog, wire
from leasewatch.dns.asking import Asker
from leasewatch.dns.listener import Listener
from leasewatch.dns.notify import Notifier
from leasewatch.dns.signatures import Signatures
from leasewatch.dns.transfers import Transfers
from leasewatch.dns.zone import Head, Zone
from tests.name_servers.places import HERE, Place
from tests.waiting import wait_for

SECRET = "YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcywgb2s="
APEX = "hosta.vm.example.org"
CATALOG = "catalog.vm.example.org"
_CHECKOUT = Path(__file__).resolve().parents[2]


class Primary:
    """A primary that runs, as the test sees it."""

    def __init__(self, folder: Path, process: Popen[str]) -> None:
        self.folder = folder
        self._process = process

    def change(self, names: Mapping[str, str | None], zone: str = APEX) -> int:
        """Give names their only address, or none; returns the new serial."""
        return int(self._ask({"zone": zone, "names": names}))

    def set_members(self, *zones: str) -> None:
        """Let the catalog name these zones; new ones are made."""
        self._ask({"members": zones})

    def forget_journal(self) -> None:
        """Lose all steps, as after as many changes as the journal holds."""
        self._ask({"forget": True})

    def counts(self) -> dict[str, int]:
        """`incremental`, `whole`, `sent`, and `waiting`: NOTIFY that go on."""
        return dict(self._ask({"counts": True}))

    def log(self) -> str:
        """What it has printed so far."""
        return (self.folder / "log").read_text()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait(20)

    def _ask(self, question: Mapping[str, Any]) -> Any:
        with socket.socket(socket.AF_UNIX) as to, to.makefile("rwb") as file:
            to.settimeout(60)
            to.connect(str(self.folder / "socket"))
            file.write(json.dumps(question).encode() + b"\n")
            file.flush()
            return json.loads(file.readline())


@contextmanager
def primary(
    folder: Path,
    listen: str,
    notify: Sequence[str] = (),
    *,
    zones: Sequence[str] = (APEX,),
    with_catalog: bool = False,
    timers: tuple[int, int, int] = (30, 10, 600),
    secret: str = SECRET,
    place: Place = HERE,
    before: Sequence[str] = (),
) -> Iterator[Primary]:
    """Run one.

    `timers`: refresh, retry and expire of its SOA records. `before`: words in front of its command
    line.
    """
    folder.mkdir()
    (folder / "settings").write_text(
        json.dumps(
            {
                "listen": listen,
                "notify": list(notify),
                "zones": list(zones),
                "catalog": with_catalog,
                "timers": timers,
                "secret": secret,
            }
        )
    )
    script = f'cd {_CHECKOUT} && exec "$@" >>"$0" 2>&1'
    command = [*before, sys.executable, "-m", "tests.name_servers.primary", str(folder)]
    process = place.spawn(["sh", "-c", script, folder / "log", *command])
    started = Primary(folder, process)
    try:
        wait_for("the primary", lambda: (folder / "socket").exists() or process.poll(), 60)
        yield started
    except BaseException as error:
        error.add_note(f"the log of the primary:\n{started.log()}")
        raise
    finally:
        started.kill()


class _Process:
    """What the process holds."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        dns_settings = DnsSettings(listen=[settings["listen"]], notify=settings["notify"])
        self._key = dns.tsig.Key("xfr.", settings["secret"])
        self._timers = settings["timers"]
        self._zones = {apex: _zone(apex, *self._timers) for apex in settings["zones"]}
        self._members: dict[str, catalog.Member] = {}
        if settings["catalog"]:
            self._zones[CATALOG] = Zone(CATALOG, catalog.HEAD)
            self._set_catalog(settings["zones"])
        self._signatures = Signatures({self._key.name: self._key})
        self._notifier = Notifier(
            dns_settings.notified(), dns_settings.listens(), self._key, self._zones.get
        )
        self._transfers = Transfers(
            self._zones.get, self._key.name, self._signatures, self._notifier.asked
        )
        self._listener = Listener(dns_settings.listens(), self._respond)

    async def run(self, folder: Path) -> None:
        """Serve until the process is killed."""
        self._listener.start()
        self._notifier.start(self._zones.values())
        server = await asyncio.start_unix_server(self._told, folder / "socket")
        await server.serve_forever()

    def _respond(self, data: bytes, asker: Asker) -> Iterable[bytes]:
        try:
            message = self._signatures.read(data, asker)
        except dns.exception.DNSException:
            return ()
        if isinstance(message, bytes):
            return (message,)
        known = message.opcode() == dns.opcode.QUERY and message.question
        return self._transfers.respond(message, asker) if known else ()

    async def _told(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = self._answer(json.loads(await reader.readline()))
        writer.write(json.dumps(answer).encode() + b"\n")
        writer.close()
        await writer.wait_closed()

    def _answer(self, question: Mapping[str, Any]) -> Any:
        if "counts" in question:
            counts = {key: getattr(self._transfers, key) for key in ("incremental", "whole")}
            waiting = len(self._notifier.waiting())
            return {**counts, "sent": self._notifier.sent, "waiting": waiting}
        if "members" in question:
            self._set_catalog(question["members"])
            self._notifier.zone_changed(self._zones[CATALOG])
            return True
        if "forget" in question:
            for zone in self._zones.values():
                zone.journal.clear()
            return True
        zone = self._zones[question["zone"]]
        wanted = {wire.relative(n): _data(address) for n, address in question["names"].items()}
        if _apply(zone, wanted):
            self._notifier.zone_changed(zone)
        return zone.serial

    def _set_catalog(self, apexes: Collection[str]) -> None:
        """These zones are the members; new ones are made."""
        for apex in apexes:
            self._zones.setdefault(apex, _zone(apex, *self._timers))
        self._members = catalog.update(self._members, apexes)
        zone = self._zones[CATALOG]
        content = catalog.content(self._members, dict.fromkeys(apexes, ()), "xfr")
        _apply(zone, {**dict.fromkeys(zone.names(), ()), **content})


def _apply(zone: Zone, wanted: Mapping[wire.Name, Iterable[wire.Data]]) -> bool:
    step = zone.plan(wanted, time.time())
    if step is not None:
        zone.apply(step)
    return step is not None


def _zone(apex: str, refresh: int, retry: int, expire: int) -> Zone:
    head = Head(("ns1.example.org",), refresh=refresh, retry=retry, expire=expire)
    zone = Zone(apex, head)
    _apply(zone, {wire.relative("first.lab"): _data("10.77.0.1")})
    return zone


def _data(address: str | None) -> list[wire.Data]:
    return [] if address is None else [wire.address(ip_address(address).packed)]


if __name__ == "__main__":
    logs.start()
    home = Path(sys.argv[1])
    asyncio.run(_Process(json.loads((home / "settings").read_text())).run(home))
