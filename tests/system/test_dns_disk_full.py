"""A full disk below the DNS process: no serial is served that is not stored."""

from __future__ import annotations

import time
from pathlib import Path

from leasewatch.dns import keys
from tests.name_servers import BIND, need, running
from tests.system.world import World

APEX = "hosta.vm.example.org"
STATE = "/var/lib/leasewatch-dns"
LEASES = "var/lib/misc/dnsmasq.leases"
LOG = "/run/leasewatch-dns/log"
SETTINGS = """
[dns]
listen = ["127.0.0.1:5300"]
host = "hosta"
site = "example.org"
key = "xfr"
notify = ["127.0.0.1:5400"]
"""
LATER = int(time.time()) + 7200


def _lease(world: World, *numbers: int) -> None:
    lines = (f"{LATER} 52:54:00:00:09:{n:02x} 10.9.0.{n} vm{n} *\n" for n in numbers)
    (world.root / LEASES).write_text("".join(lines))


def _fill(world: World) -> None:
    world.run(["sh", "-c", f"cat /dev/zero > {STATE}/filler"], check=False)
    assert world.run(["sh", "-c", f"echo > {STATE}/more"], check=False).returncode


def test_a_host_on_a_full_disk_gives_its_zone_once_there_is_room_and_then_all_changes(
    world: World, tmp_path: Path
) -> None:
    need()
    owner = "uid=leasewatch-dns,gid=leasewatch-dns,mode=700"
    world.run(["mount", "-t", "tmpfs", "-o", f"size=64k,{owner}", "tmpfs", STATE])
    _fill(world)
    key = keys.make(tmp_path, "xfr")
    to = "/etc/pyvirt/dns/xfr.key"
    world.run(["install", "-D", "-o", "leasewatch-dns", "-m", "0600", key, to])
    world.run(["tee", "/etc/pyvirt/leasewatch.toml"], input=SETTINGS)
    _lease(world, 10)
    config = f"""
include "{key}";
zone "{APEX}" {{
    type secondary;
    primaries {{ 127.0.0.1 port 5300 key xfr; }};
    allow-notify {{ key xfr; }};
    file "hosta.db";
}};
"""
    world.run(["ip", "link", "set", "lo", "up"])
    world.serve()
    with running(BIND, tmp_path / "bind", port=5400, config=config, place=world) as bind:
        world.spawn(["sh", "-c", f"exec leasewatch dns serve 2>{LOG}"])
        log = world.root / LOG[1:]
        world.wait_for("it to start", log.exists)
        world.wait_for("its line", lambda: "serial not stored" in log.read_text())
        assert bind.ask(f"vm10.dnsmasq.{APEX}") == []
        world.run(["rm", f"{STATE}/filler"])
        world.wait_for("BIND to answer", lambda: bind.ask(f"vm10.dnsmasq.{APEX}"))
        _fill(world)
        _lease(world, 10, 11)  # its serial has its place on the disk
        world.wait_for("BIND to answer", lambda: bind.ask(f"vm11.dnsmasq.{APEX}"))
    said = log.read_text()
    assert said.count("serial not stored") == said.count("serial stored again") == 1, said
    assert "No space left on device" in said
    assert "Traceback" not in said
