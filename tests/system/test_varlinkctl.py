"""varlinkctl of newer Debian suites reads and calls the service."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.system.asking import has
from tests.system.own_dnsmasq import FILE
from tests.system.world import CHECKOUT, World
from tests.system.writers import Note, Writers

pytestmark = pytest.mark.long

VARLINK = CHECKOUT / "packaging/varlink"
SOCKET = "/run/leasewatch/org.pyvirt.LeaseWatch"
LEASE = "4102444800 52:54:00:00:00:05 10.9.0.5 web1 *\n"
SETTINGS = f'[[source]]\npath = "{FILE}"\nnetwork = "lab"\n'


@pytest.fixture(params=["trixie", "sid"])
def suite(request: pytest.FixtureRequest, world: World) -> Writers:
    world.run(["tee", FILE], input=LEASE)
    world.run(["tee", "/etc/pyvirt/leasewatch.toml"], input=SETTINGS)
    world.serve()
    return Writers(world, request.param, "/run/leasewatch")


def test_varlinkctl_reads_and_calls_both_interfaces(suite: Writers, record_property: Note) -> None:
    record_property("systemd", suite.version("systemd"))
    has(suite.world, "web1", "10.9.0.5")
    info = suite.run(["varlinkctl", "info", SOCKET]).stdout
    assert "org.pyvirt.LeaseWatch" in info
    assert "org.pyvirt.Admin" in info
    for interface in ("org.pyvirt.LeaseWatch", "org.pyvirt.Admin"):
        text = suite.run(["varlinkctl", "introspect", SOCKET, interface]).stdout
        assert f"interface {interface}" in text
        shipped = (VARLINK / f"{interface}.varlink").read_text()
        valid = suite.run(["varlinkctl", "validate-idl"], input=shipped, check=False)
        assert valid.returncode == 0, valid.stderr

    def call(method: str, parameters: str = "{}", *options: str) -> list[dict[str, Any]]:
        words = ["varlinkctl", "call", "--json=short", *options, SOCKET, method, parameters]
        answer = suite.run(words).stdout
        return [json.loads(line) for line in answer.replace("\x1e", "").splitlines()]

    (found,) = call("org.pyvirt.LeaseWatch.Resolve", '{"query": "web1"}')
    assert found["name"] == "web1"
    pages = call("org.pyvirt.LeaseWatch.List", "{}", "--more")
    assert sum(len(page["entries"]) for page in pages) == 1
    (status,) = call("org.pyvirt.Admin.Status")
    assert status["names"] == 1
    (limits,) = call("org.pyvirt.Admin.SetLimits", '{"connections": 2000}')
    assert limits["limits"]["connections"] == 2000
