"""pyvirt launch: from nothing to a login, and on from wherever it was interrupted."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import pytest

from tests.system.domains import define_idle, pyvirt, read, row
from tests.system.guest import GuestFiles
from tests.system.world import World

VERIFIED = ("-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes")


@pytest.fixture
def host(world: World) -> World:
    """A host with the service, whose root has a key."""
    world.serve()
    world.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/.ssh/id_ed25519"])
    return world


def _words(guest: GuestFiles, name: str, *options: str) -> list[str]:
    boot = ["--kernel", str(guest.kernel), "--initrd", str(guest.initrd)]
    return ["launch", name, *boot, "--memory", "96", "--cpus", "1", "--accel", "tcg", *options]


def test_one_command_leads_from_nothing_to_a_login(world: World, guest_files: GuestFiles) -> None:
    host = world
    host.serve()
    image = "/run/disk.img"
    host.run(["truncate", "-s", "2M", image])
    words = _words(guest_files, "web1", "--image", image, "--disk-size", "3M")
    done = pyvirt(host, *words)
    assert re.fullmatch(r"web1 is ready after [\d.]+ s: ssh web1\n", done.stdout)
    assert host.run(["ssh", *VERIFIED, "web1", "hostname"]).stdout == "web1\n"
    said = [line.removeprefix("pyvirt: ") for line in done.stderr.splitlines()]
    before = ["user root had no key for ssh: made /root/.ssh/id_ed25519"]
    before += [f"copying {image}", "creating web1"]
    assert said[:5] == [*before, "starting network default", "starting web1"]
    assert row(host, "web1")["autostart"] is True
    assert row(host, "web1")["disks"] == [image]

    host.run(["rm", image])
    assert "is ready" in pyvirt(host, *words[:2], "--image", image).stdout
    changes = ["--image", "/run/other.img", "--kernel", "/bin/sh", "--cpus", "9"]
    other = pyvirt(host, *words[:2], *changes, check=False)
    assert "domain web1 exists already, with another cpus and kernel and image" in other.stderr

    again = pyvirt(host, "launch", "web1", "-o", "json")
    assert json.loads(again.stdout)["login"] == "ssh web1"
    assert pyvirt(host, "ssh", "web1", "echo", "-n", "$((6*7))").stdout == "42"
    assert pyvirt(host, "domain", "ssh", "web1", "exit 3", check=False).returncode == 3
    shown = pyvirt(host, "domain", "start", "--wait", "web1").stdout
    assert re.fullmatch(r"domain web1 was started already and answers at [\d.:a-f]+\n", shown)


def test_an_interrupted_launch_says_how_to_continue_and_does(
    host: World, guest_files: GuestFiles, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    with said.open("w") as stderr:
        words = ["pyvirt", *_words(guest_files, "web1", "--user", "alice")]
        launch = host.spawn(words, stderr=stderr)
    host.wait_for("launch to wait for the guest", lambda: "waiting for web1" in said.read_text())
    host.signal(launch, signal.SIGINT)
    assert launch.wait(20) == 130
    assert said.read_text().endswith(
        "pyvirt: domain web1 is defined; to continue: sudo pyvirt launch web1\n\n"
    )
    done = pyvirt(host, "launch", "web1")
    assert done.stdout.endswith("s: ssh alice@web1\n")


def test_a_launch_that_was_killed_at_any_moment_is_continued_by_the_next(
    host: World, guest_files: GuestFiles
) -> None:
    for milliseconds in (150, 300, 450, 600, 900):
        launch = host.spawn(["pyvirt", *_words(guest_files, "web1")])
        time.sleep(milliseconds / 1000)
        host.signal(launch, signal.SIGKILL)
        launch.wait(20)
    done = pyvirt(host, *_words(guest_files, "web1"))
    assert "is ready" in done.stdout
    assert host.run(["ssh", *VERIFIED, "web1", "hostname"]).stdout == "web1\n"


def test_what_is_waited_for_in_vain_is_named(host: World) -> None:
    pyvirt(host, "network", "create", "lab", "--subnet", "10.77.0.0/24")
    pyvirt(host, "network", "start", "lab")
    define_idle(host, "web1")
    for words in (("start", "--wait=address"), ("ssh",)):
        late = pyvirt(host, "domain", *words, "--timeout", "1", "web1", check=False)
        assert late.returncode == 1
        what, hint = late.stderr.splitlines()[-2:]
        assert what.endswith("of web1 within 1 s: no traffic since the start")
        assert "pyvirt domain console web1" in hint
    pyvirt(host, "domain", "shutdown", "--timeout", "1", "--force", "web1")
    gone = pyvirt(host, "ssh", "web1", check=False)
    assert "domain web1 is not running" in gone.stderr
    assert "sudo pyvirt domain start web1" in gone.stderr


def test_without_the_service_a_launch_ends_soon_and_says_how_to_start_it(
    world: World, guest_files: GuestFiles
) -> None:
    world.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/.ssh/id_ed25519"])
    failed = pyvirt(world, *_words(guest_files, "web1"), check=False)
    assert failed.stderr.splitlines()[-2:] == [
        "pyvirt: the leasewatch service is not running",
        "  hint: sudo leasewatch serve",
    ]


WRONG = [
    (["Web1"], "upper-case"),
    (["web1", "--image", "nothing-like-it"], "nothing-like-it"),
    (["web1", "--image", "./none.img"], "there is no image /"),
    (["web1", "--image", "/etc/hostname"], "image /etc/hostname is a text file"),
    (["web1", "--image", "ftp://host/a.img"], "is not an http or https URL"),
    (["web1", "--network", "lba", "--kernel", "/bin/sh"], 'there is no network "lba"'),
    (["web1", "--kernel", "/nowhere"], "there is no kernel /nowhere"),
    (["web1", "--ssh-key", "/nowhere"], "cannot read /nowhere"),
    (["web1", "--user-data", "/bin/sh"], "/bin/sh is not text"),
    (["web1", "--user", "a b"], "cannot be the name"),
    (["web1", "--disk-size", "0"], "is not a size"),
]


def test_what_cannot_be_launched_is_one_line_and_leaves_nothing(host: World) -> None:
    for words, why in WRONG:
        refused = pyvirt(host, "launch", *words, check=False)
        assert refused.returncode in {1, 2}, words
        said = refused.stderr.splitlines()
        what, *hint = [line for line in said if not re.match("pyvirt: (creat|copy)ing ", line)]
        assert why in what
        assert len(hint) <= 1
        assert pyvirt(host, "domain", "list", "-o", "name").stdout == ""
        assert host.run(["ls", "/var/lib/pyvirt/domains"], check=False).stdout == ""


def test_where_no_key_can_be_made_nothing_is_defined(world: World) -> None:
    launch = ("launch", "web1", "--kernel", "/bin/sh")
    refused = pyvirt(world, *launch, check=False, sudo_user="games")
    what, hint = refused.stderr.splitlines()
    assert what.startswith("pyvirt: cannot make a key for games: ")  # whose home is not there
    assert hint == "  hint: name a public key: --ssh-key FILE"
    assert read(world, "/etc/pyvirt/domains/web1.toml") == ""
