"""The name follows a guest that moves: which host answers what, from moment to moment."""

from __future__ import annotations

import json

import pytest

from tests.system.asking import finds
from tests.system.domains import pyvirt
from tests.system.tables import Tables
from tests.system.two_hosts import TwoHosts

LEASES = "/var/lib/pyvirt/leases/lab.leases"


def migrate(hosts: TwoHosts) -> dict[str, object]:
    done = pyvirt(hosts.kvm1, "domain", "migrate", "web1", "kvm2", "-o", "json")
    return dict(json.loads(done.stdout))


def test_on_one_link_the_name_is_never_absent_and_never_wrong(hosts: TwoHosts) -> None:
    address = hosts.boot("web1")
    hosts.kvm1.wait_for("its name", lambda: finds(hosts.kvm1, "web1") == [address])
    session = hosts.session(address, "kvm2")
    with Tables(hosts.worlds, "web1") as tables:
        migrate(hosts)
        session.goes_on()
    assert tables.of("kvm1") == [(address,), None]
    assert tables.of("kvm2") == [None, (address,)]
    assert tables.absent() == 0
    assert finds(hosts.kvm2, "web1") == [address]
    assert finds(hosts.kvm1, "web1") == []


@pytest.mark.long
def test_elsewhere_the_new_lease_is_published_before_the_old_name_goes(hosts: TwoHosts) -> None:
    hosts.define("web1", network="lab")
    pyvirt(hosts.kvm1, "domain", "start", "web1", "--wait=ssh")
    (old,) = finds(hosts.kvm1, "web1")
    with Tables(hosts.worlds, "web1") as tables:
        migrate(hosts)
        (new,) = finds(hosts.kvm2, "web1")
    assert new.startswith("10.77.2.")
    assert tables.of("kvm1") == [(old,), None]
    assert tables.of("kvm2") == [None, (), (new,)]
    assert tables.when("kvm2", (new,)) < tables.when("kvm1", None)
    assert tables.absent() == 0
    assert old not in hosts.kvm1.run(["cat", LEASES]).stdout
    assert hosts.log_in(new, "hostname", "kvm2") == "web1\n"
