"""The name follows a guest that moves: which host answers what, from moment to moment."""

from __future__ import annotations

import pytest

from tests.system.asking import finds
from tests.system.domains import pyvirt
from tests.system.tables import Tables
from tests.system.two_hosts import TwoHosts

LEASES = "/var/lib/pyvirt/leases/lab.leases"


def migrate(hosts: TwoHosts, *options: str, back: bool = False) -> None:
    here, there = (hosts.kvm2, "kvm1") if back else (hosts.kvm1, "kvm2")
    pyvirt(here, "domain", "migrate", "web1", there, *options)


def test_on_one_link_the_name_is_never_absent_and_never_wrong(hosts: TwoHosts) -> None:
    address = hosts.boot("web1")
    hosts.kvm1.wait_for("its name", lambda: finds(hosts.kvm1, "web1") == [address])
    session = hosts.session(address, "kvm2")
    with Tables(hosts.worlds, "web1") as tables:
        migrate(hosts)
        session.goes_on()
    assert tables.of("kvm1") == [(address,), None]
    assert tables.addresses_of("kvm2") == [None, (address,)]
    assert tables.absent() == 0
    assert finds(hosts.kvm2, "web1") == [address]
    assert finds(hosts.kvm1, "web1") == []


@pytest.mark.long
def test_post_copy_moves_the_name_as_soon_as_the_guest_runs_and_back_again(
    hosts: TwoHosts,
) -> None:
    address = hosts.boot("web1")
    hosts.kvm1.wait_for("its name", lambda: finds(hosts.kvm1, "web1") == [address])
    session = hosts.session(address, "kvm2")
    with Tables(hosts.worlds, "web1") as tables:
        migrate(hosts, "--postcopy-after-precopy", "--bandwidth", "32")
        session.goes_on()
        migrate(hosts, back=True)
        session.goes_on()
    assert tables.addresses_of("kvm1") == [(address,), None, (address,)]
    assert tables.addresses_of("kvm2") == [None, (address,), None]
    assert tables.absent() == 0


@pytest.mark.long
def test_elsewhere_the_new_lease_is_published_before_the_old_name_goes(hosts: TwoHosts) -> None:
    hosts.define("web1", "--user", "root", network="lab")
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
    options = ("-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20")
    shown = hosts.kvm2.run(
        ["ssh", *options, "-i", hosts.guest.folder / "id_ed25519", "root@web1", "hostname"]
    )
    assert shown.stdout == "web1\n"
    for file in ("ssh_known_hosts", "ssh_config"):
        assert "web1" not in hosts.kvm1.run(["cat", f"/run/pyvirt/{file}"]).stdout


@pytest.mark.long
def test_what_does_not_fit_there_is_refused_and_the_guest_goes_on(hosts: TwoHosts) -> None:
    address = hosts.boot("web1")
    session = hosts.session(address)
    for made, what, hint in (
        (
            ["pyvirt", "network", "stop", "lan"],
            "pyvirt: kvm2: network lan is not started",
            "there: sudo pyvirt network start lan; or name another one of that host",
        ),
        (
            ["pyvirt", "network", "delete", "lan"],
            'pyvirt: kvm2: there is no network "lan"',
            "there: sudo pyvirt network create lan; or name another one of that host",
        ),
    ):
        hosts.kvm2.run(made)
        done = hosts.kvm1.run(["pyvirt", "domain", "migrate", "web1", "kvm2"], check=False)
        assert what in done.stderr
        assert hint in done.stderr
        assert done.returncode == 1
    hosts.kvm2.run(["pyvirt", "network", "create", "dmz", "--bridge", "br0"])
    hosts.kvm2.run(["pyvirt", "network", "start", "dmz"])
    pyvirt(hosts.kvm1, "domain", "migrate", "web1", "kvm2", "--network", "lan=dmz")
    session.goes_on()
    assert finds(hosts.kvm2, "web1.dmz.internal") == [address]
