"""An exporter and the name server that it updates, for tests."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.name
import dns.tsig

from leasewatch.daemon.dns_settings import Place, Update
from leasewatch.dns import setup_update
from leasewatch.dns.table import NameTable
from leasewatch.dns.update_plan import Owner
from leasewatch.dns.update_server import UpdateServer
from leasewatch.dns.updates import Exporter
from leasewatch.model import Trust
from tests.leasewatch.dns import tables
from tests.name_servers import BIND, KNOT, Engine, NameServer, running
from tests.waiting import wait_for

ZONE = "vms.test"
SECRET = b"a secret of 32 bytes for a test."
FOREIGN_LINES = "mail A 192.0.2.1\nmail MX 10 mail\n"
"""What is added to the file that the printed command makes."""
FOREIGN = {"ns1 A 127.0.0.1", "mail A 192.0.2.1", "mail MX 10 mail.vms.test."}
"""What is in the file, as `zone_of` shows it."""
SETTINGS = Update(server="127.0.0.1", zone=ZONE, key="update")
HERE, OTHER = Owner("hosta", "11112222"), Owner("hostb", "33334444")


def a_table() -> NameTable:
    """A table without names, of the networks lab and dmz."""
    return tables.table("lab", "dmz")


def set_name(
    table: NameTable,
    name: str,
    *found: str,
    trust: Trust = "owner",
    network: str = "lab",
    aliases: tuple[str, ...] = (),
) -> set[str]:
    """Give a decided name these addresses on a network; returns what `table_changed` gets."""
    names = " ".join((name, f"{name}.{network}.internal", *aliases))
    records = tables.record(names, " ".join(found), network, trust)
    table.set(name, records if found else ())
    return {name}


@contextmanager
def serving(
    engine: Engine, folder: Path, change: tuple[str, str] = ("", "")
) -> Iterator[NameServer]:
    """A primary of the zone, made with the configuration and the commands that `setup` prints.

    `change`: a text of the configuration, and what replaces it.
    """
    print_setup = setup_update.bind if engine is BIND else setup_update.knot
    text = print_setup(SETTINGS, "/etc/pyvirt/dns")
    for used in ("/etc/bind", "/var/lib/bind", "/etc/knot", "/var/lib/knot"):
        text = text.replace(used, str(folder))
    if engine is KNOT:
        line = f"  - domain: {ZONE}\n"
        text = text.replace(line, f"{line}    storage: {folder}\n")  # not Debian's /var/lib/knot
    assert change[0] in text
    files = _typed(text, folder)
    files[f"{ZONE}.zone"] += FOREIGN_LINES
    with running(engine, folder, config=text.replace(*change), files=files) as server:
        yield server


def _typed(text: str, folder: Path) -> dict[str, str]:
    """The files that the printed commands make of the key, by name."""
    secret = base64.b64encode(SECRET).decode()
    key = f'key "update" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n'
    with tempfile.TemporaryDirectory() as made:
        (Path(made) / "update.key").write_text(key)
        for command in re.findall(r"^(?://|#) +((?:printf|sed) .*)$", text, re.MULTILINE):
            here = command.replace(str(folder), made)
            subprocess.run(["sh", "-c", here], cwd=made, check=True)
        return {file.name: file.read_text() for file in Path(made).iterdir()}


def client(
    server: NameServer,
    *,
    secret: bytes = SECRET,
    key: str = "update",
    zone: str = ZONE,
    port: int = 0,
) -> UpdateServer:
    """What the exporter knows of the server. Port 0: the server's."""
    made = dns.tsig.Key(dns.name.from_text(key), secret, dns.tsig.HMAC_SHA256)
    return UpdateServer(Place(server.address, port or server.port), zone, made)


@contextlib.asynccontextmanager
async def exporting(
    server: NameServer, folder: Path, table: NameTable | None = None, *, owner: Owner = HERE
) -> AsyncIterator[Exporter]:
    """An exporter that runs, and is stopped like a killed one: it leaves the zone as it is."""
    table = a_table() if table is None else table  # an empty one is false
    exporter = Exporter(table, client(server), owner, folder)
    exporter.start()
    exporter.table_changed(set(table.records))
    try:
        yield exporter
    finally:
        await exporter.stop()


async def eventually(what: str, predicate: Callable[[], object]) -> None:
    """Wait in a thread, so that the exporter goes on."""
    await asyncio.to_thread(wait_for, what, predicate)


def zone_of(server: NameServer, *, signed: bool = True) -> set[str]:
    """Every record of the zone but SOA and NS as `NAME TYPE DATA`."""
    secret = base64.b64encode(SECRET).decode()
    key = ("-y", f"hmac-sha256:update:{secret}") if signed else ()
    lines = server.dig("+onesoa", "+noall", "+answer", *key, ZONE, "AXFR").stdout.splitlines()
    rows = [line.split(maxsplit=4) for line in lines if line and line[0] != ";"]
    return {
        f"{name.removesuffix(f'.{ZONE}.')} {rdtype} {data}"
        for name, _, _, rdtype, data in rows
        if rdtype not in {"SOA", "NS", "TSIG"}
    }


def owned(name: str, *addresses: str, by: str = "hosta", number: str = "11112222") -> set[str]:
    """The records of a name of a host, as `zone_of` shows them."""
    shown = " ".join(f'"{one}"' for one in ("leasewatch", f"host={by}", f"id={number}", *addresses))
    families = {one: "AAAA" if ":" in one else "A" for one in addresses}
    return {f"_pyvirt.{name} TXT {shown}", *(f"{name} {t} {one}" for one, t in families.items())}


async def _export(port: int, folder: Path) -> None:
    """Export 120 names, in three messages, until killed."""
    table = a_table()
    for number in range(120):
        set_name(table, f"web{number}", "10.77.0.5")
    key = dns.tsig.Key(dns.name.from_text("update"), SECRET, dns.tsig.HMAC_SHA256)
    exporter = Exporter(table, UpdateServer(Place("127.0.0.1", port), ZONE, key), HERE, folder)
    exporter.start()
    exporter.table_changed(set(table.records))
    await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run(_export(int(sys.argv[1]), Path(sys.argv[2])))
