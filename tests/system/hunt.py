"""Hunt for a secret: in what every process shows of itself, and in what is on disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

from tests.system.world import World

KEYS = Path("/root/keys")
"""The folder of the world in which secrets may be."""
_SHOWN = ("cmdline", "environ")


@contextlib.contextmanager
def hunted(*secrets: bytes) -> Iterator[None]:
    """No process shows one of the secrets on its command line or in its environment meanwhile."""
    ended, found = Event(), set[str]()

    def look() -> None:
        while not ended.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                for name in _SHOWN:
                    with contextlib.suppress(OSError):
                        content = (process / name).read_bytes()
                        if any(secret in content for secret in secrets):
                            found.add(f"{process / name}: {content!r}")
            ended.wait(0.03)  # qemu-img works for seconds with a secret

    thread = Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert not found


def on_disk(world: World, *secrets: bytes) -> list[str]:
    """The files of the world, and young ones in /tmp and /var/log, that hold one of the secrets."""
    patterns = [word for secret in secrets for word in ("-e", secret.decode())]
    grep = ["-type", "f", "-exec", "grep", "-lsaF", *patterns, "{}", "+"]
    own = ["/etc", "/run", "/var/lib", "/root", "/dev/shm"]
    said = world.run(["find", *own, "-path", KEYS, "-prune", "-o", *grep], check=False).stdout
    young = ["/tmp", "/var/tmp", "/var/log", "-maxdepth", "2", "-mmin", "-10"]
    said += world.run(["find", *young, *grep], check=False).stdout
    return said.splitlines()
