"""The name servers of Debian sid take zones with the configuration that `setup` prints."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from tests.name_servers import ENGINES, NSD, POWERDNS, Engine, installed
from tests.name_servers.primary import APEX, primary
from tests.name_servers.secondary import SETTINGS, secondary
from tests.system.world import World
from tests.system.writers import Writers, unpacked
from tests.waiting import wait_for

OTHER = "hostb.vm.example.org"


@pytest.mark.long
@pytest.mark.parametrize("with_catalog", [False, True], ids=["zones", "catalog"])
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_a_newer_one_follows_changes_and_the_catalog(
    engine: Engine, with_catalog: bool, world: World, tmp_path: Path
) -> None:
    if with_catalog and engine is POWERDNS:
        pytest.skip("it does not sign its questions for the zones of a catalog")
    tmp_path.chmod(0o755)
    world.run(["ip", "link", "set", "lo", "up"])
    place = Writers(world, "sid", str(tmp_path))
    settings = msgspec.structs.replace(SETTINGS, catalog="hub") if with_catalog else SETTINGS
    with ExitStack() as stack:
        host = stack.enter_context(
            primary(
                tmp_path / "host",
                "127.0.0.2:5300",
                ["127.0.0.1"],
                with_catalog=with_catalog,
                place=world,
            )
        )
        server = stack.enter_context(
            secondary(
                engine,
                tmp_path / "server",
                "127.0.0.2:5300",
                port=53,
                settings=settings,
                with_catalog=with_catalog and engine is NSD,
                place=place,
                programs=installed(unpacked("sid")),
            )
        )
        wait_for("the zone", lambda: server.ask(f"first.lab.{APEX}") == ["10.77.0.1"], 40)
        host.change({"web1.lab": "10.77.0.5"})
        wait_for("the change", lambda: server.ask(f"web1.lab.{APEX}") == ["10.77.0.5"], 40)
        if with_catalog:
            host.set_members(APEX, OTHER)
            wait_for("the host", lambda: server.ask(f"first.lab.{OTHER}") == ["10.77.0.1"], 40)
            host.set_members(APEX)
            refused = f"first.lab.{OTHER}"
            wait_for("the host to go", lambda: "REFUSED" in server.dig(refused).stdout, 40)
