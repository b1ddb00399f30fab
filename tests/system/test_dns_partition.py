"""Name servers that are cut off from a host: names change, the link comes back, the host dies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.name_servers import BIND, ENGINES, POWERDNS, Engine, NameServer, need
from tests.name_servers.primary import APEX, Primary, primary
from tests.name_servers.secondary import secondary
from tests.system.world import World
from tests.waiting import wait_for

HOST = "10.99.0.2"
_RULES = f"""
table inet cut {{
    chain input {{
        type filter hook input priority 0
        ip saddr {HOST} ip daddr != {HOST} drop
        ip daddr {HOST} ip saddr != {HOST} drop
    }}
}}
"""
FIRST = f"first.lab.{APEX}"


class Site:
    """A host and name servers, each with an address of its own."""

    def __init__(self, world: World, host: Primary, servers: dict[Engine, NameServer]) -> None:
        self._world = world
        self.host = host
        self.servers = servers

    def cut(self) -> None:
        """Drop every packet between them."""
        self._world.run(["nft", "-f", "-"], input=_RULES)

    def mend(self) -> None:
        """Let them through again."""
        self._world.run(["nft", "delete", "table", "inet", "cut"])

    def await_answers(self, name: str, *addresses: str, seconds: float = 40) -> None:
        """Wait until every name server has these addresses of the name."""
        for engine in self.servers:
            what = f"{engine.name} to answer {addresses} for {name}"
            wait_for(what, partial(self._has, engine, name, addresses), seconds)

    def await_gone(self, engine: Engine) -> None:
        """Wait until a name server does not have the zone any more."""
        wait_for(f"{engine.name} to drop it", partial(self._has, engine, FIRST, ()), 60)

    def _has(self, engine: Engine, name: str, addresses: tuple[str, ...]) -> bool:
        return self.servers[engine].ask(name) == [*addresses]


@contextmanager
def site(world: World, folder: Path, *engines: Engine, **more: object) -> Iterator[Site]:
    """Run them, and wait until all name servers have the zone."""
    folder.chmod(0o755)
    world.run(["ip", "link", "set", "lo", "up"])
    places = {engine: f"10.99.0.{number}" for number, engine in enumerate(engines, 11)}
    for address in (HOST, *places.values()):
        world.run(["ip", "address", "add", f"{address}/32", "dev", "lo"])
    with ExitStack() as stack:
        enter = stack.enter_context
        told = [f"{address}:53" for address in places.values()]
        host = enter(primary(folder / "host", HOST + ":5300", told, place=world, **more))  # type: ignore[arg-type]
        servers = {}
        for engine, address in places.items():
            (folder / engine.name).mkdir()
            home = folder / engine.name / "server"
            made = secondary(engine, home, f"{HOST}:5300", address, 53, place=world)
            servers[engine] = enter(made)
        made_site = Site(world, host, servers)
        made_site.await_answers(FIRST, "10.77.0.1")
        yield made_site


@pytest.fixture(autouse=True)
def _programs() -> None:
    need()


def test_what_changed_during_a_partition_is_answered_soon_after_it(
    world: World, tmp_path: Path
) -> None:
    with site(world, tmp_path, *ENGINES) as found:
        found.cut()
        sent = found.host.counts()["sent"]
        found.host.change({"web1.lab": "10.77.0.5", "first.lab": None})
        world.wait_for("lost NOTIFY", lambda: found.host.counts()["sent"] >= sent + 16, 40)
        assert found.servers[BIND].ask(FIRST) == ["10.77.0.1"]
        found.mend()
        began = time.monotonic()
        found.await_answers(f"web1.lab.{APEX}", "10.77.0.5")
        print(f"healed after {time.monotonic() - began:.1f} s")
        found.await_answers(FIRST)
        world.wait_for("NOTIFY to end", lambda: not found.host.counts()["waiting"], 40)


@pytest.mark.long
def test_the_names_of_a_dead_host_go_at_expire_except_from_powerdns(
    world: World, tmp_path: Path
) -> None:
    with site(world, tmp_path, *ENGINES, timers=(5, 5, 15)) as found:
        found.host.kill()
        began = time.monotonic()
        for engine in (one for one in ENGINES if one is not POWERDNS):
            found.await_gone(engine)
            print(f"{engine.name}: gone after {time.monotonic() - began:.1f} s")
        assert found.servers[POWERDNS].ask(FIRST) == ["10.77.0.1"]
