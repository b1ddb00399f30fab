"""The name servers of tests: each starts, serves a zone, restarts, ends, and says why it cannot."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import dns.message
import dns.query
import pytest

from tests.conftest import children_of
from tests.name_servers import (
    BIND,
    ENGINES,
    KNOT,
    NSD,
    POWERDNS,
    UNBOUND,
    Engine,
    NameServer,
    need,
    running,
)
from tests.waiting import wait_for

ZONE = """$ORIGIN lab.test.
$TTL 5
@ SOA ns1 host 1 60 30 600 5
@ NS ns1
ns1 A 127.0.0.1
web1 A 10.77.0.5
"""


@pytest.fixture(autouse=True)
def _programs() -> None:
    need()


def _serving(
    engine: Engine, folder: Path, address: str = "127.0.0.1"
) -> AbstractContextManager[NameServer]:
    config = {
        BIND: 'zone "lab.test" { type primary; file "lab.zone"; };',
        KNOT: f'zone:\n  - domain: lab.test\n    file: "{folder}/lab.zone"',
        NSD: "zone:\n    name: lab.test\n    zonefile: lab.zone",
    }
    return running(engine, folder, address, config=config.get(engine, ""), files={"lab.zone": ZONE})


def _runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_it_serves_a_zone_again_after_a_restart_and_ends_with_the_block(
    engine: Engine, tmp_path: Path
) -> None:
    with _serving(engine, tmp_path / "server") as server:
        if engine is POWERDNS:
            server.tool("pdnsutil", "load-zone", "lab.test", f"{server.folder}/lab.zone")
        assert server.ask("web1.lab.test") == ["10.77.0.5"]
        server.stop()
        assert not server.answers()
        server.start()
        assert server.ask("web1.lab.test") == ["10.77.0.5"]
        ends = {server.pid} | children_of(server.pid)
    wait_for("its processes to end", lambda: not [pid for pid in ends if _runs(pid)])


def test_unbound_asks_another_server(tmp_path: Path) -> None:
    with _serving(NSD, tmp_path / "nsd") as asked:
        options = 'local-zone: "test." nodefault'
        config = f"stub-zone:\n    name: lab.test\n    stub-addr: {asked.address}@{asked.port}"
        with running(UNBOUND, tmp_path / "unbound", options=options, config=config) as server:
            assert server.ask("web1.lab.test") == ["10.77.0.5"]
            server.tool("unbound-control", "flush", "lab.test")


@pytest.mark.parametrize("engine", [*ENGINES, UNBOUND], ids=lambda engine: engine.name)
def test_it_answers_at_an_ipv6_address(engine: Engine, tmp_path: Path) -> None:
    with running(engine, tmp_path / "server", "::1") as server:
        query = dns.message.make_query("version.bind", "TXT", "CH")
        dns.query.tcp(query, "::1", 20, server.port)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="unknown option 'nonsense'"),
        running(BIND, tmp_path / "server", options="nonsense yes;"),
    ):
        pass
