"""A Debian suite's programs that write lease files, in a root of a world: run them there.

They share the world's network, its processes and whichever folders are asked for; all else that
they write is gone with the world. It knows nothing of what is tested.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.system.world import CHECKOUT, World

WRITERS_ROOT = Path(__file__).with_name("writers_root.sh")
RECORDED = CHECKOUT / ".cache/recorded"
_MOUNT = """
set -e
lower=$1 root=$2
shift 2
mkdir -p $root.upper $root.work $root
mount -t overlay -o "lowerdir=$lower,upperdir=$root.upper,workdir=$root.work" overlay $root
mount -t proc proc $root/proc
mount --rbind /sys $root/sys
mount --rbind /dev $root/dev
mount -t tmpfs -o mode=0755 tmpfs $root/run
mount -t tmpfs tmpfs $root/tmp
rm -f $root/etc/resolv.conf
cp /etc/resolv.conf $root/etc
for folder; do
    mkdir -p "$folder" "$root$folder"
    mount --bind "$folder" "$root$folder"
done
"""
# Not chroot: in one a process may make no user namespace, as containers need it.
_PIVOT = 'cd "$0" && pivot_root . . && umount --lazy . && exec "$@"'
_ENTER = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _PIVOT)


def unpacked(suite: str) -> Path:
    """The root that writers_root.sh makes, once."""
    done = subprocess.run(
        [WRITERS_ROOT, suite], capture_output=True, text=True, check=False, timeout=3600
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


class Writers:
    """The programs of `suite`, which see the world's `shared` folders as their own."""

    def __init__(self, world: World, suite: str, *shared: str) -> None:
        self.world = world
        self.path = "/run/root"
        """Where their root is in the world."""
        world.run(["sh", "-c", _MOUNT, "mount", unpacked(suite), self.path, *shared])

    def run(self, argv: Sequence[str | Path], **how: object) -> subprocess.CompletedProcess[str]:
        """`World.run`, in there. What it mounts is its own."""
        return self.world.run([*_ENTER, self.path, *argv], **how)  # type: ignore[arg-type]

    def spawn(self, argv: Sequence[str | Path]) -> subprocess.Popen[str]:
        """`World.spawn`, in there, without its output. What it mounts is its own."""
        quiet = subprocess.DEVNULL
        return self.world.spawn([*_ENTER, self.path, *argv], stdout=quiet, stderr=quiet)

    def version(self, package: str) -> str:
        """The upstream version of what is installed there, e.g. 257.13."""
        form = "--showformat=${source:Upstream-Version}"
        version = self.run(["dpkg-query", "--show", form, package]).stdout
        return version.partition("+")[0]

    def record(self, scene: str, *paths: str) -> None:
        """Keep files and folders of the world below .cache/recorded/`scene`."""
        shutil.rmtree(RECORDED / scene, ignore_errors=True)
        for path in paths:
            (RECORDED / scene / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(
                ["cp", "-r", self.world.root / path[1:], RECORDED / scene / path[1:]], check=True
            )


Note = Callable[[str, object], None]


def listed(world: World, name: str) -> dict[str, object]:
    """A row of `leasewatch list`; empty: there is none."""
    rows = json.loads(world.run(["leasewatch", "list", "-o", "json"]).stdout)
    return next((row for row in rows if row["name"] == name), {})


def no_source_has_an_error(world: World) -> None:
    def faulty() -> bool:
        rows = json.loads(world.run(["leasewatch", "sources", "-o", "json"]).stdout)
        return any(row["error"] or row["state"] == "unreadable" for row in rows)

    world.wait_for("no source to have an error", lambda: not faulty())
