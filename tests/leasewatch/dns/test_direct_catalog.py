"""A catalog with `primaries.ext`: BIND takes each host's zones from that host."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from leasewatch.dns import keys
from tests.leasewatch.dns.site_host import site_host
from tests.leasewatch.dns_serving import free_port
from tests.name_servers import BIND, need, running
from tests.waiting import wait_for

HOST_A, HOST_B, SERVER = "127.0.0.2", "127.0.0.3", "127.0.0.1"


def test_bind_takes_each_hosts_zones_from_that_host(tmp_path: Path) -> None:
    need()
    port, bind_port = free_port(), free_port()
    key = keys.make(tmp_path, "xfr")
    options = f"""
port {port};
catalog-zones {{
    zone "catalog.vm.example.org" default-primaries {{ {HOST_A} key xfr; }} min-update-interval 1;
}};
"""
    config = f"""
include "{key}";
zone "catalog.vm.example.org" {{
    type secondary;
    primaries {{ {HOST_A} key xfr; }};
    file "catalog.db";
}};
"""
    told = f'notify = ["{SERVER}:{bind_port}"]\n'
    more = f'{told}reverse = ["10.0.0.0/16"]\ncatalog = "direct"\npull = ["hostb {HOST_B}:{port}"]'
    with (
        site_host(tmp_path / "a", "hosta", key, f"{HOST_A}:{port}", more) as hosta,
        site_host(tmp_path / "b", "hostb", key, f"{HOST_B}:{port}", told) as hostb,
        running(BIND, tmp_path / "bind", SERVER, bind_port, options=options, config=config) as bind,
    ):
        names = hosta.lease(1, "web1"), hostb.lease(2, "db1")
        hosta.dns.start()
        hostb.dns.start()
        for name, address in zip(names, ("10.0.0.1", "10.0.0.2"), strict=True):
            wait_for(f"BIND to answer for {name}", partial(bind.ask, name))
            assert bind.ask(name) == [address]
        wait_for("the reverse zone", lambda: bind.ask("1.0.0.10.in-addr.arpa", "PTR"))
        later = hostb.lease(3, "db2")
        wait_for(f"BIND to answer for {later}", lambda: bind.ask(later))
