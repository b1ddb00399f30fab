"""The name servers of Debian sid, which are newer than those that prepare unpacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.name_servers import ENGINES, UNBOUND, Engine, installed, running
from tests.system.world import World
from tests.system.writers import Note, Writers, unpacked

_OLDEST = {"BIND": (9, 20), "Knot": (3, 5), "NSD": (4, 15), "PowerDNS": (5, 1), "unbound": (1, 25)}


@pytest.mark.long
@pytest.mark.parametrize("engine", [*ENGINES, UNBOUND], ids=lambda engine: engine.name)
def test_a_newer_one_runs_with_the_same_configuration(
    engine: Engine, world: World, tmp_path: Path, record_property: Note
) -> None:
    place = Writers(world, "sid", str(tmp_path))
    version = place.version(engine.package)
    record_property(engine.name, version)
    assert tuple(map(int, version.split(".")[:2])) >= _OLDEST[engine.name]
    programs = installed(unpacked("sid"))
    with running(engine, tmp_path / "server", port=53, place=place, programs=programs) as server:
        server.stop()
        server.start()
