"""A running guest moves to another host, and its ssh sessions go on."""

from __future__ import annotations

import json

import pytest

from tests.system.domains import pyvirt
from tests.system.two_hosts import TwoHosts

MODES = {
    "pre-copy": (),
    "post-copy": ("--postcopy-after-precopy", "--bandwidth", "32"),
}


def migrate(hosts: TwoHosts, *options: str) -> dict[str, object]:
    done = pyvirt(hosts.kvm1, "domain", "migrate", "web1", "kvm2", *options, "-o", "json")
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("options", MODES.values(), ids=MODES)
def test_a_guest_moves_and_its_sessions_go_on(hosts: TwoHosts, options: tuple[str, ...]) -> None:
    address = hosts.boot("web1")
    session = hosts.session(address, "kvm1")
    migrate(hosts, *options)
    session.goes_on()
    hosts.counts_on("web1")
    assert hosts.copies("web1") == {"kvm2": "running"}
    assert pyvirt(hosts.kvm1, "domain", "list", "-o", "json").stdout.strip() == "[]"
    (row,) = json.loads(pyvirt(hosts.kvm2, "domain", "show", "web1", "-o", "json").stdout)
    assert (row["state"], row["addresses"]) == ("running", [address])
