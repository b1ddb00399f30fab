"""`leasewatch top` beside the real service and real DHCP clients."""

from __future__ import annotations

import re
import signal
import subprocess

from tests.screen import Screen, in_front
from tests.system.networks import LAB
from tests.system.world import World
from tests.waiting import wait_for


def top(world: World, screen: Screen) -> None:
    """The command in front of the terminal, as a plain user."""
    command = in_front(["leasewatch", "top"])
    on = {"stdin": screen.inside, "stdout": screen.inside, "stderr": screen.inside}
    world.spawn(command, user="nobody", env={"TERM": "xterm"}, **on)


def row(lines: list[str], name: str, address: str) -> list[str]:
    return next(line.split() for line in lines if line.split()[:2] == [name, address])


def test_top_shows_guests_and_events_as_they_come_and_a_service_that_is_away(
    served_lab: World, lab_service: subprocess.Popen[str]
) -> None:
    world = served_lab
    first = world.client("one", LAB).dhcp("printer")
    wait_for("the name", lambda: first in world.run(["leasewatch", "list"]).stdout)
    with Screen(80, 24) as screen:
        top(world, screen)
        lines = screen.wait_for("live", "printer", first)
        assert row(lines, "printer", first)[-1] == "published"
        client = world.client("two", LAB)
        second = client.dhcp("laptop")
        lines = screen.wait_for(f"added    laptop {second} lab  published in ")
        assert re.fullmatch(r"(<1|[\d.]+) (ms|s)", " ".join(row(lines, "laptop", second)[-3:-1]))
        client.release()
        screen.wait_for(f"removed  laptop {second} lab")
        screen.press("/laptop\r")
        screen.wait_for("/ filter: laptop", without=f"printer  {first}")
        screen.press("\x1b")
        screen.resize(120, 30)
        screen.wait_for("MAC", "6d 23h", first)

        world.signal(lab_service, signal.SIGTERM)
        lab_service.wait(60)
        assert row(screen.wait_for("the service is not running"), "printer", first)
        world.serve()
        third = world.client("three", LAB).dhcp("scanner")
        lines = screen.wait_for("live", third, without="not running")
        assert row(lines, "printer", first)[-1] == "published"
        screen.press("q")
        assert screen.wait_for_end() == ["exit code 0", ""]
        assert screen.is_as_before()
