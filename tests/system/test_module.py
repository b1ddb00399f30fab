"""The module as it is shipped, in a world with its own nsswitch.conf: getent, ping, plain users."""

from __future__ import annotations

import base64
import socket
import time

from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import Address, Host
from tests.system.world import World


def publish(world: World, *hosts: Host) -> None:
    """Put a table where the module of the world looks."""
    data = snapshot.encode(hosts, generation=1, published=int(time.time()))
    text = base64.b64encode(data).decode("ascii")
    world.run(["sh", "-c", "base64 -d >/run/leasewatch/hosts.v1"], input=text)


def host(name: str, *texts: str) -> Host:
    later = int(time.time()) + 3600
    addresses = []
    for text in texts:
        family = socket.AF_INET6 if ":" in text else socket.AF_INET
        addresses.append(Address(family, socket.inet_pton(family, text), later))
    return Host((name, f"{name}.default.internal"), tuple(addresses))


def test_getent_finds_names_and_addresses(world: World) -> None:
    publish(world, host("web1", "127.0.0.77", "fd12::5"))
    hosts = world.run(["getent", "hosts", "web1"]).stdout.split()
    assert hosts == ["fd12::5", "web1", "web1.default.internal"]
    ahosts = world.run(["getent", "ahosts", "web1.default.internal"]).stdout.split()
    assert {"127.0.0.77", "fd12::5"} <= set(ahosts)
    reverse = world.run(["getent", "hosts", "127.0.0.77"]).stdout.split()
    assert reverse == ["127.0.0.77", "web1", "web1.default.internal"]


def test_a_plain_user_pings_a_host_by_name(world: World) -> None:
    publish(world, host("web1", "127.0.0.77"))
    done = world.run(["ping", "-c1", "-W5", "web1"], user="nobody")
    assert "web1 (127.0.0.77)" in done.stdout


def test_without_a_table_other_names_still_resolve(world: World) -> None:
    assert world.run(["getent", "hosts", "localhost"]).stdout.split()[-1] == "ip6-localhost"
    assert world.run(["getent", "hosts", "web1"], check=False).returncode == 2


def test_a_file_that_others_may_write_is_not_believed(world: World) -> None:
    publish(world, host("web1", "127.0.0.77"))
    world.run(["chmod", "o+w", "/run/leasewatch/hosts.v1"])
    assert world.run(["getent", "hosts", "web1"], check=False).returncode == 2
    world.run(["chmod", "o-w", "/run/leasewatch/hosts.v1"])
    world.run(["getent", "hosts", "web1"])
