"""The README's transcripts are what happens: each command prints the lines below it."""

from __future__ import annotations

import re
import shutil
import time

import pytest

from tests import readme
from tests.system.guest import GuestFiles
from tests.system.world import World

# What differs from run to run, and how each is written in a comparison.
_VARYING = {
    r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b": "TIME",
    r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b": "MAC",  # which may hold what looks like a span: 5d
    r"\bf[de][0-9a-f]*:[0-9a-f:]*": "IPV6",
    r"\b(\d+\.){3}\d+\b": "IPV4",
    r"\b\d+[dhms]( \d+[hms])?\b": "SPAN",
    r"\b\d+(\.\d+)? s\b": "SPAN",
    r"\x1b\[K": "",  # a terminal's line is redrawn
    r" +": " ",
    r"\bIPV[46] TIME\b": "ADDRESS TIME",  # history: which one a guest has first varies
}


def comparable(line: str) -> str:
    for pattern, word in _VARYING.items():
        line = re.sub(pattern, word, line)
    return line.strip()


def has_in_order(shown: list[str], wanted: list[str]) -> bool:
    """Whether all the wanted lines are among those shown, in this order."""
    rest = iter(shown)
    return all(line in rest for line in wanted)


_STANDS_IN = {
    "sudo pyvirt launch web1": " --kernel vmlinuz --initrd initrd.gz --accel tcg --memory 128"
}
"""The tiny guest stands in for an image of 300 MB; test_cloud_image.py launches one."""


@pytest.fixture
def host(world: World, guest_files: GuestFiles) -> World:
    """A host on which the service runs, and whose user has a key, a kernel and an initrd."""
    world.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/.ssh/id_ed25519"])
    for file in (guest_files.kernel, guest_files.initrd):
        shutil.copy(file, world.root / "root")
    world.serve()
    return world


def prints(world: World, command: str, wanted: list[str]) -> None:
    """Type a command into a terminal of 80 columns; a question is asked until it is answered so."""
    changes = command.startswith("sudo ")
    words = command.removeprefix("sudo ") + _STANDS_IN.get(command, "")
    typed = f"stty cols 80; cd /root; {words}"
    inside = ["script", "--quiet", "--return", "--command", typed, "/dev/null"]
    lines = [comparable(line) for line in wanted]
    shown: list[str] = []

    def as_said() -> bool:
        done = world.run(inside, check=changes, timeout=120)
        shown[:] = map(comparable, done.stdout.splitlines())
        return changes or has_in_order(shown, lines)

    try:
        world.wait_for(command, as_said)
    finally:
        assert has_in_order(shown, lines), f"{command} printed\n" + "\n".join(shown)


def test_the_transcripts_are_what_happens(host: World) -> None:
    until = len(readme.dialogue()) - len(readme.dialogue(readme.section("Every day"))) + 1
    for command, wanted in readme.dialogue()[:until]:
        prints(host, command, wanted)
    # `leasewatch ip` has shown all addresses, so the stranger's is the newest in the history.
    (host.root / "var/lib/misc/dnsmasq.leases").write_text(  # "another machine … claims"
        f"{int(time.time()) + 43200} 52:54:00:aa:bb:01 192.168.1.50 web1 *\n"
    )
    for command, wanted in readme.dialogue()[until:]:
        prints(host, command, wanted)
    assert host.run(["getent", "hosts", "web1"], check=False).returncode == 2
    assert host.run(["ip", "link", "show", "pv-default"], check=False).returncode == 1
