"""What tests of migrations stand on: two hosts, a guest that counts, a link that is cut."""

from __future__ import annotations

import pytest

from tests.system.two_hosts import TwoHosts

pytestmark = pytest.mark.long


def test_two_hosts_know_each_other_and_share_a_network(hosts: TwoHosts) -> None:
    for here, there in (("kvm1", "kvm2"), ("kvm2", "kvm1")):
        said = hosts.worlds[here].run(["ssh", there, "hostname; pyvirt network list -o name"])
        assert said.stdout == f"{there}\nlab\nlan\n"
    address = hosts.boot("web1")
    session = hosts.session(address, "kvm2")
    assert hosts.copies("web1") == {"kvm1": "running"}
    hosts.cut("mg")
    session.goes_on()
    hosts.counts_on("web1")
    refused = hosts.kvm1.run(["ping", "-c", "1", "-W", "1", "kvm2"], check=False)
    assert refused.returncode
    hosts.mend("mg")
    hosts.kvm1.run(["ping", "-c", "3", "-W", "5", "kvm2"])
