"""`leasewatch watch` and `history --follow` beside a real dnsmasq and a real client."""

from __future__ import annotations

import json
import queue
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE
from typing import Any

from tests.system.asking import finds
from tests.system.world import World

SECONDS = 120


class Lines:
    """What a command prints, as it comes."""

    def __init__(self) -> None:
        self._lines: queue.Queue[str] = queue.Queue()

    def read(self, stream: Iterator[str]) -> None:
        for line in stream:
            self._lines.put(line)

    def until(self, **wanted: object) -> dict[str, Any]:
        """The next line of JSON that has these values."""
        deadline = time.monotonic() + SECONDS
        while True:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            found: dict[str, Any] = json.loads(line)
            if found.items() >= wanted.items():
                return found


@contextmanager
def following(world: World, *words: str) -> Iterator[Lines]:
    """A command that prints JSON lines until the block ends."""
    lines = Lines()
    process = world.spawn(["leasewatch", *words, "-o", "jsonl"], stdout=PIPE)
    assert process.stdout is not None
    reading = threading.Thread(target=lines.read, args=(process.stdout,))
    reading.start()
    try:
        yield lines
    finally:
        world.signal(process, signal.SIGTERM)
        process.wait(SECONDS)
        reading.join(SECONDS)


def test_a_real_lease_is_seen_as_it_comes_and_goes(served_lab: World) -> None:
    machine = served_lab.client("client1", "pv-lab")
    with following(served_lab, "watch") as events:
        events.until(event="synced")
        address = machine.dhcp("client1")
        events.until(event="added", name="client1", address=address, network="lab")
        assert finds(served_lab, "client1") == [address]
        with following(served_lab, "history", "client1", "--follow") as past:
            past.until(event="added", address=address)
            machine.release()
            removed = events.until(event="removed", address=address)
            assert removed["reason"] == "the lease was given back"
            past.until(event="released", address=address)
