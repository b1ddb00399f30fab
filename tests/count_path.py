"""Count the code of ours that one lease passes, from its file's change to table and history.

`python -m tests.count_path` prints the figures, `--list` every function and class too. A service
runs in this process, below a temporary root. The count begins before a lease is appended to its
file. It ends when the name answers and the history holds the lease.

A comprehension belongs to its function. A class counts if one of its methods ran, or if a function
that ran returned an instance or had one in a variable.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sqlite3
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from types import CodeType, FrameType

from leasewatch.cli.serve import serve
from leasewatch.paths import Paths
from nss_pyvirt import snapshot
from tests.waiting import wait_for

CHECKOUT = Path(__file__).resolve().parents[1]
GOAL = {"functions": 80, "files": 14, "classes": 35}
LIMITS = {"functions": 96, "files": 23, "classes": 39}
"""What it has come to: no change may make the path longer."""
_OURS = tuple(f"{CHECKOUT / package}{os.sep}" for package in ("leasewatch", "nss_pyvirt"))
_LINE = "4102444800 52:54:00:00:00:0{0} 10.0.0.{0} web{0} *\n"


class LeasePath:
    """What has run while it recorded; `python` calls `profile` at each call and return."""

    def __init__(self) -> None:
        self.recording = False
        self._codes: set[CodeType] = set()
        self._types: set[type] = set()

    def profile(self, frame: FrameType, event: str, value: object) -> None:
        """A profile function for sys.setprofile and threading.setprofile."""
        if not self.recording or not frame.f_code.co_filename.startswith(_OURS):
            return
        self._codes.add(frame.f_code)
        if event == "return":
            self._types |= {type(value), *map(type, frame.f_locals.values())}

    def functions(self) -> set[str]:
        """`FILE FUNCTION` of each function that ran, FILE below the checkout."""
        return {
            f"{os.path.relpath(code.co_filename, CHECKOUT)} {code.co_qualname}"
            for code in self._codes
            if not code.co_name.startswith("<")
        }

    def files(self) -> set[str]:
        """The files of `functions`."""
        return {function.split()[0] for function in self.functions()}

    def classes(self) -> set[str]:
        """Dotted names of the classes that took part."""
        names = {f"{kind.__module__}.{kind.__qualname__}" for kind in self._types}
        for function in self.functions():
            file, name = function.split()
            owner = name.split(".<locals>")[0].rpartition(".")[0]
            if owner:
                names.add(f"{file.removesuffix('.py').replace(os.sep, '.')}.{owner}")
        return {name for name in names if name.startswith(("leasewatch.", "nss_pyvirt."))}


def count(root: Path) -> LeasePath:
    """Serve below `root` and follow one lease; only in the main thread, for its signals."""
    passed = LeasePath()
    paths = Paths(root)
    leases = root / "lab.leases"
    leases.write_text(_LINE.format(1))
    paths.config.parent.mkdir(parents=True)
    paths.config.write_text(f'[[source]]\npath = "{leases}"\nnetwork = "lab"\n')
    failed: list[BaseException] = []
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(root / "notify"))
    manager.settimeout(60)
    os.environ["NOTIFY_SOCKET"] = str(root / "notify")

    def follow_one_lease() -> None:
        try:
            wait_for("the start", lambda: b"READY=1" in manager.recv(4096))
            wait_for("the first lease", lambda: _is_recorded(paths, 1))
            passed.recording = True
            with leases.open("a") as file:
                file.write(_LINE.format(2))
            wait_for("the second lease", lambda: _is_recorded(paths, 2))
        except BaseException as error:  # noqa: BLE001 (raised in the main thread)
            failed.append(error)
        finally:
            passed.recording = False
            os.kill(os.getpid(), signal.SIGTERM)

    driver = threading.Thread(target=follow_one_lease)
    driver.start()
    threading.setprofile(passed.profile)  # for the history's thread, not the driver's
    sys.setprofile(passed.profile)
    try:
        serve(paths, rescan_seconds=86400)  # nothing but the lease causes work
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        driver.join()
        manager.close()
    if failed:
        raise failed[0]
    return passed


def _is_recorded(paths: Paths, number: int) -> bool:
    """Whether web`number` answers and the history holds its lease."""
    try:
        answers = snapshot.lookup(paths.snapshot, f"web{number}").status == "found"
    except snapshot.SnapshotError:
        return False
    if not answers or not paths.history.exists():
        return False
    with closing(sqlite3.connect(f"file:{paths.history}?mode=ro", uri=True)) as history:
        query = "SELECT count(*) FROM holding WHERE address = ?"
        try:
            return bool(history.execute(query, (f"10.0.0.{number}",)).fetchone()[0])
        except sqlite3.OperationalError:  # its tables are being made
            return False


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="count_path", description=__doc__)
    parser.add_argument("--list", action="store_true", help="name every function and class")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pv-", dir="/tmp") as root:
        passed = count(Path(root))
    found = {kind: sorted(getattr(passed, kind)()) for kind in GOAL}
    for kind, names in found.items():
        print(f"{kind:<10} {len(names):>4}   goal {GOAL[kind]:>4}")
    if arguments.list:
        for kind in ("functions", "classes"):
            print(f"\n{kind}:", *found[kind], sep="\n  ")


if __name__ == "__main__":
    main()
