"""A name server with what `leasewatch dns setup` prints, as a user would paste it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.daemon.dns_settings import Place as Endpoint
from leasewatch.dns.setup import SERVERS, describe
from tests.name_servers.engines import BIND, KNOT, NSD, POWERDNS
from tests.name_servers.places import HERE, Place
from tests.name_servers.primary import SECRET
from tests.name_servers.programs import UNPACKED, Programs
from tests.name_servers.server import Engine, NameServer, running

WORDS = {BIND: "bind", KNOT: "knot", NSD: "nsd", POWERDNS: "powerdns"}
SETTINGS = DnsSettings(
    listen=["127.0.0.1"], host="hosta", site="example.org", notify=["127.0.0.1"], key="xfr"
)


@contextmanager
def secondary(
    engine: Engine,
    folder: Path,
    primary: str,
    address: str = "127.0.0.1",
    port: int = 0,
    *,
    settings: DnsSettings = SETTINGS,
    with_catalog: bool = False,
    secret: str = SECRET,
    more: str = "",
    without: Sequence[str] = (),
    place: Place = HERE,
    programs: Programs = UNPACKED,
) -> Iterator[NameServer]:
    """Run one that takes the zones of the primary at ADDRESS:PORT.

    `more`: further lines of the configuration; `without`: lines that the user leaves out.
    """
    home = folder.parent
    copy = home / "xfr.key"
    copy.write_text(f'key "xfr" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n')
    key_file = copy if engine in {BIND, POWERDNS} else home / f"{WORDS[engine]}-key.conf"
    site = describe(
        settings,
        "hosta",
        SERVERS[WORDS[engine]],
        primaries=[_endpoint(primary)],
        key_file=str(key_file),
        folder="/etc/pyvirt/dns",
        with_catalog=with_catalog,
    )
    printed = SERVERS[WORDS[engine]].text(site)
    for line in without:
        assert line in printed
        printed = printed.replace(line, "")
    options, config, commands = _pasted(engine, printed)
    for command in re.findall(r"^#    (sed .*)$", printed, re.MULTILINE):
        subprocess.run(["sh", "-ec", command], cwd=home, check=True, timeout=20)
    with running(
        engine,
        folder,
        address,
        port,
        options=options,
        config=config + more,
        place=place,
        programs=programs,
    ) as server:
        _run(server, commands)
        yield server


def _pasted(engine: Engine, printed: str) -> tuple[str, str, str]:
    """What goes into the section of options, what follows it, and the commands."""
    if engine is BIND:
        options, _, config = printed.partition("// 3.")
        return options, "//" + config, ""
    if engine is POWERDNS:
        config, _, commands = printed.partition("# 2.")
        return "", config, "#" + commands
    return "", printed, ""


def _run(server: NameServer, commands: str) -> None:
    """Run what a user types in a shell beside the server."""
    if not commands:
        return
    words = [*server.programs.argv("pdnsutil"), f"--config-dir={server.folder}"]
    script = f'pdnsutil() {{ {" ".join(words)} "$@"; }}\n{commands}'
    server.place.run(["sh", "-euc", script])


def _endpoint(text: str) -> Endpoint:
    address, _, port = text.rpartition(":")
    return Endpoint(address.strip("[]"), int(port))
