"""`nss-pyvirt` on the very system that runs it, and its hosts lines before the real glibc."""

from __future__ import annotations

import re

from tests.nss_pyvirt.lines import PLACED
from tests.system.world import World

# The host's /usr is shared with the world: changes go to a layer above it. The installer has to
# make the users and ssh's configuration, so those of the world go.
BARE = r"""
mkdir -p /run/layer/up /run/layer/work
mount -t overlay -o lowerdir=/usr,upperdir=/run/layer/up,workdir=/run/layer/work overlay /usr
printf 'passwd: files\nhosts:  files dns\n' >/etc/nsswitch.conf
for f in passwd group shadow gshadow; do
    sed -i -E "/^(leasewatch(-dns)?|pyvirt-qemu|pyvirt):/d" /etc/$f
done
rmdir /run/leasewatch /run/leasewatch-dns /var/lib/leasewatch /var/lib/leasewatch-dns /etc/pyvirt
rm -f /etc/ssh/ssh_config.d/pyvirt.conf
ldconfig
"""
STATE = "cat /etc/nsswitch.conf /etc/passwd /etc/group; find /etc /run/layer/up -name '*pyvirt*'"
PUBLISH = """
import re
import socket, time
from pathlib import Path
from nss_pyvirt.snapshot import Address, Host, encode
address = Address(socket.AF_INET, socket.inet_aton("10.77.0.5"), int(time.time()) + 600)
table = encode([Host(("web1",), (address,))], generation=1, published=int(time.time()))
path = Path("/run/leasewatch/hosts.v1")
path.parent.mkdir(exist_ok=True)
path.write_bytes(table)
path.chmod(0o644)
"""


def test_a_running_system_gets_every_piece_and_gives_it_back(world: World) -> None:
    world.run(["sh", "-ec", BARE])
    before = world.run(["sh", "-c", STATE]).stdout
    assert world.run(["nss-pyvirt", "status"], check=False).returncode == 1

    installed = world.run(["nss-pyvirt", "install"]).stdout
    assert "added the system user leasewatch" in installed
    assert "added the system user pyvirt-qemu" in installed
    assert "added the system group pyvirt" in installed
    world.run(["python", "-c", PUBLISH])
    assert world.run(["getent", "hosts", "web1"]).stdout.split() == ["10.77.0.5", "web1"]
    status = world.run(["nss-pyvirt", "status"], check=False).stdout
    assert re.findall(r"^bad +(\w+)", status, re.MULTILINE) == ["service"], status
    for part in ("nsswitch", "module", "snapshot", "settings", "user"):
        assert re.search(rf"^ok +{part} ", status, re.MULTILINE), status
    assert world.run(["nss-pyvirt", "install"]).stdout == "everything is installed already\n"
    waits = world.run(["nss-pyvirt", "install", "--ssh"]).stdout
    assert waits == "installed /etc/ssh/ssh_config.d/pyvirt.conf\n"
    assert "ssh waits for one that boots" in world.run(["nss-pyvirt", "status"], check=False).stdout
    assert world.run(["nss-pyvirt", "install"]).stdout == "everything is installed already\n"

    world.run(["nss-pyvirt", "remove"])
    assert world.run(["sh", "-c", STATE]).stdout == before
    assert world.run(["getent", "hosts", "web1"], check=False).returncode == 2
    assert world.run(["nss-pyvirt", "remove"]).stdout == "nothing is installed\n"


def test_a_service_that_was_started_by_hand_is_not_removed_under_its_feet(world: World) -> None:
    listening = """
import socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind("/run/leasewatch/org.pyvirt.LeaseWatch")
server.listen()
print("listening", flush=True)
sys.stdin.read()
"""
    world.run(["sh", "-ec", BARE.replace("rmdir", ": rmdir")])
    service = world.spawn(["python", "-c", listening], stdin=-1, stdout=-1)
    assert service.stdout is not None
    assert service.stdout.readline() == "listening\n"
    removed = world.run(["nss-pyvirt", "remove"], check=False)
    assert removed.returncode == 1
    assert "started by hand" in removed.stderr


def test_glibc_reaches_the_module_in_every_line_that_is_written(world: World) -> None:
    world.run(["python", "-c", PUBLISH])
    for before, after in PLACED.values():
        assert not _found(world, before), before
        assert _found(world, after), after


def test_both_of_two_hosts_lines_are_edited(world: World) -> None:
    world.run(["python", "-c", PUBLISH])
    reached, bare = "hosts: files pyvirt [TRYAGAIN=return]", "hosts: files"
    assert _found(world, f"{reached}\n{bare}") != _found(world, f"{bare}\n{reached}")
    assert _found(world, f"{reached}\n{reached}")


def _found(world: World, line: str) -> bool:
    text = f"passwd: files\ngroup: files\n{line}\n"
    world.run(["tee", "/etc/nsswitch.conf"], input=text)
    return world.run(["getent", "hosts", "web1"], check=False, timeout=60).returncode == 0
