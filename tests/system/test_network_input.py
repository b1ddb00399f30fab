"""What people type at `pyvirt network`, right and wrong."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from leasewatch.files import locks
from tests.conftest import children_of
from tests.system.world import World
from tests.waiting import wait_for

DEFINITION = """name = "lab"
subnet = "10.77.0.0/24"
subnet6 = "fd00:1:2::/64"
"""

LOCK = "run/pyvirt/locks/network-lab"
LIST = "pyvirt network list"
WRONG = [
    (["start", "lba"], 'there is no network "lba"', "did you mean lab?"),
    (["stop", "zoo"], 'there is no network "zoo"', "pyvirt network list"),
    (["delete", "lba"], 'there is no network "lba"', "did you mean lab?"),
    (["show", "../passwd"], '"../passwd" is no network\'s name', LIST),
    *(
        (["stop", name], f'"{name}" is no network\'s name', LIST)
        for name in ("lab/", ".", "..", "")
    ),
    *(
        ([action, name], f'"{name}" is no network\'s name', LIST)
        for action in ("start", "stop", "delete")
        for name in ("lab.json", "x" * 300)
    ),
    (["create", "lab"], "network lab already exists", "pyvirt network show lab"),
    (["create", "Lab 2"], "cannot be a network's name", "lower-case letters"),
    (["create", "b", "--subnet", "10.1.2.3/24"], "host bits", "did you mean 10.1.2.0/24?"),
    (["create", "b", "--subnet", "banana"], 'subnet: "banana" is no IPv4 network', "10.77.0.0/24"),
    (
        ["create", "b", "--subnet", "10.77.0.128/25"],
        "subnet 10.77.0.128/25 is taken: network lab has 10.77.0.0/24",
        "--subnet auto",
    ),
    (
        ["create", "b", "--subnet", "192.168.7.0/24"],
        "is taken: the host's route via uplink has 192.168.7.0/24",
        "--subnet auto",
    ),
    (["create", "b", "--subnet", "8.8.8.0/24"], "8.8.8.0/24 is not private", "192.168.0.0/16"),
    (["create", "b", "--suffix", "a..b"], 'suffix: "a..b" is no DNS suffix', "internal"),
    (["create", "b", "--suffix", "local"], '"local" is for multicast DNS', "lab.internal"),
]


@pytest.fixture
def ready(world: World) -> World:
    """A world with an uplink and a network `lab`."""
    define(world, "lab", DEFINITION)
    world.run(["mkdir", "-p", "/run/pyvirt/networks/lab"])
    world.run(["ip", "link", "add", "uplink", "type", "bridge"])
    world.run(["ip", "address", "add", "192.168.7.1/24", "dev", "uplink"])
    world.run(["ip", "link", "set", "uplink", "up"])
    return world


def define(world: World, name: str, text: str) -> None:
    put = f"mkdir -p /etc/pyvirt/networks; cat > /etc/pyvirt/networks/{name}.toml"
    world.run(["sh", "-c", put], input=text)


def test_wrong_input_gets_one_clear_line_and_a_hint(ready: World) -> None:
    for arguments, says, hint in WRONG:
        failed = ready.run(["pyvirt", "network", *arguments], check=False)
        assert failed.returncode == 1, arguments
        what, *hints = failed.stderr.splitlines()
        assert says in what
        assert hint in "".join(hints)
        assert len(hints) <= 1


def test_a_broken_definition_is_named_with_its_key_and_hides_no_other(ready: World) -> None:
    define(ready, "broken", DEFINITION.replace("lab", "broken") + 'mode = "bridge"\n')
    define(ready, "odd", DEFINITION.replace("lab", "odd").replace("10.77.0.0/24", "10.0.0.0/8"))
    failed = ready.run(["pyvirt", "network", "start", "odd"], check=False)
    assert "/etc/pyvirt/networks/odd.toml: subnet: 10.0.0.0/8 is out of range" in failed.stderr
    listed = ready.run(["pyvirt", "network", "list", "-o", "name"], check=False)
    assert (listed.stdout, listed.returncode) == ("lab\n", 1)
    assert "/etc/pyvirt/networks/broken.toml: mode: Invalid enum value 'bridge'" in listed.stderr


def test_create_and_delete_work_beside_a_broken_definition(ready: World) -> None:
    define(ready, "broken", DEFINITION.replace("lab", "broken") + 'mode = "bridge"\n')
    ready.run(["sh", "-c", "mkdir /etc/pyvirt/domains; echo '[' >/etc/pyvirt/domains/web1.toml"])
    ready.run(["pyvirt", "network", "delete", "lab"])
    made = ready.run(["pyvirt", "network", "create", "b", "--subnet", "10.4.0.0/255.255.255.0"])
    assert "network b is defined: 10.4.0.0/24," in made.stdout
    assert made.stderr.startswith("pyvirt: cannot reserve a subnet for network broken: /etc/")
    ready.run(["pyvirt", "network", "start", "b"])


def test_a_netmask_in_a_definition_is_a_prefix_length(ready: World) -> None:
    define(ready, "lab", DEFINITION.replace("/24", "/255.255.255.0"))
    ready.run(["pyvirt", "network", "start", "lab"])
    assert "10.77.0.0/24\n" in ready.run(["pyvirt", "network", "show", "lab"]).stdout


def await_turn(program: subprocess.Popen[str]) -> None:
    """Wait until a command sleeps between two tries to be the only one (daemon/locks.py)."""
    (pid,) = wait_for("it to start", lambda: children_of(program.pid))
    call = Path(f"/proc/{pid}/syscall")
    sleeps = {"230", "115"}  # clock_nanosleep, on x86-64 and elsewhere
    wait_for("it to wait for its turn", lambda: call.read_text().split()[0] in sleeps)


def test_the_second_of_two_deletes_finds_no_network(ready: World) -> None:
    with locks.exclusive(ready.root / LOCK, 5):
        both = [
            ready.spawn(["pyvirt", "network", "delete", "lab"], stderr=subprocess.PIPE)
            for _ in range(2)
        ]
        for each in both:
            await_turn(each)
    said = [each.communicate(timeout=90)[1] for each in both]
    assert sorted(each.returncode for each in both) == [0, 1]
    assert "".join(said).startswith('pyvirt: there is no network "lab"\n')
    assert ready.run(["ls", "/run/pyvirt/networks"]).stdout == ""


@pytest.mark.parametrize(("action", "code"), [("start", 1), ("stop", 0)])
def test_who_waits_for_a_network_that_is_deleted_makes_no_folder_of_it(
    ready: World, action: str, code: int
) -> None:
    with locks.exclusive(ready.root / LOCK, 5):
        waiting = ready.spawn(["pyvirt", "network", action, "lab"], stderr=subprocess.PIPE)
        await_turn(waiting)
        ready.run(["rm", "-r", "/etc/pyvirt/networks/lab.toml", "/run/pyvirt/networks/lab"])
    said = waiting.communicate(timeout=90)[1]
    assert waiting.returncode == code
    assert code == 0 or said.startswith('pyvirt: there is no network "lab"\n')
    assert ready.run(["ls", "/run/pyvirt/networks"]).stdout == ""


def test_a_plain_user_may_look_but_not_touch(ready: World) -> None:
    world = ready
    world.run(["pyvirt", "network", "start", "lab"])
    listed = world.run(["pyvirt", "network", "list", "-o", "json"], user="nobody").stdout
    assert json.loads(listed) == [
        {
            "schema": 1,
            "name": "lab",
            "state": "started",
            "mode": "nat",
            "subnet": "10.77.0.0/24",
            "subnet6": "fd00:1:2::/64",
            "bridge": "pv-lab",
            "suffix": "internal",
            "host_access": True,
            "reserved": [],
            "autostart": False,
        }
    ]
    shown = world.run(["pyvirt", "network", "show", "lab"], user="nobody").stdout
    assert "state:     started\n" in shown
    for action in (["start", "lab"], ["stop", "lab"], ["delete", "lab"], ["create", "b"]):
        failed = world.run(["pyvirt", "network", *action], user="nobody", check=False)
        assert failed.returncode == 1
        assert f"hint: sudo pyvirt network {' '.join(action)}" in failed.stderr


def test_a_network_in_use_is_not_deleted_and_a_free_one_leaves_nothing(world: World) -> None:
    world.run(["pyvirt", "network", "create", "lab", "--subnet", "AUTO"])
    world.run(["pyvirt", "network", "start", "lab"])
    delete = ["pyvirt", "network", "delete", "lab"]
    failed = world.run(delete, check=False)
    assert failed.stderr == "pyvirt: network lab is started\n  hint: sudo pyvirt network stop lab\n"
    world.run(["pyvirt", "network", "stop", "lab"])
    domain = 'name = "web1"\nmemory = 64\ncpus = 1\nkernel = "/k"\n[[nics]]\nnetwork = "lab"\n'
    put = "mkdir -p /etc/pyvirt/domains; cat > /etc/pyvirt/domains/web1.toml"
    world.run(["sh", "-c", put], input=f'{domain}mac = "52:54:00:00:00:01"\n')
    failed = world.run(delete, check=False)
    assert "network lab is used by domains: web1" in failed.stderr
    assert "hint: sudo pyvirt domain delete web1" in failed.stderr
    world.run(["rm", "/etc/pyvirt/domains/web1.toml"])
    world.run(delete)
    left = ["find", "/etc/pyvirt/networks", "/var/lib/pyvirt/leases", "/run/pyvirt/networks"]
    assert world.run([*left, "-mindepth", "1"]).stdout == ""


def test_two_commands_at_once_make_one_network_each_with_its_own_subnet(world: World) -> None:
    started = [world.spawn(["pyvirt", "network", "create", name]) for name in ("a", "b", "c")]
    assert [each.wait(90) for each in started] == [0, 0, 0]
    listed = json.loads(world.run(["pyvirt", "network", "list", "-o", "json"]).stdout)
    assert len({each["subnet"] for each in listed}) == 3
    both = [world.spawn(["pyvirt", "network", "start", "a"]) for _ in range(2)]
    assert [each.wait(90) for each in both] == [0, 0]
    held = world.run(["sh", "-c", "ps ax -o args | grep -c '[n]etwork run a'"]).stdout
    assert held == "1\n"
