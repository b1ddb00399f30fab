"""What every test is held to: no thread, file descriptor or child process outlives it.

hypothesis draws the same examples in each run, however busy the machine is.
"""

from __future__ import annotations

import gc
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile(
    "same",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "quick", hypothesis.settings.get_profile("same"), max_examples=25
)
hypothesis.settings.load_profile("same")

pytest_plugins = ["tests.shipped"]

# A shell ignores both for what it starts with `&`, and their children would ignore them too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


_OF_THE_HOST = {"test_lab.py", "test_quick_starts.py", "test_try.py", "test_world.py"} | {
    f"test_systemd{part}.py" for part in ("", "_dns", "_parents", "_sandbox", "_uninstall")
}
"""Some compare the host before and after, some may change what is compared. They take longest."""
_LONG = {"test_house.py", "test_packaging.py", "test_secondaries.py"} | {
    f"test_{part}.py" for part in ("kills", "kills_changes", "pull", "service", "service_history")
}
"""The longest of the others: begun last, each would be waited for by itself."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in a hook of the same name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For xdist: the longest first, the tests of a file together, those of the host one by one."""
    items.sort(
        key=lambda i: (
            i.path.name not in _OF_THE_HOST,
            "system" not in i.path.parts,
            i.path.name not in _LONG,
        )
    )
    for item in items:
        group = "host" if item.path.name in _OF_THE_HOST else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_finish(session: pytest.Session) -> None:
    """An xdist that groups nothing says nothing: each worker would make every file's fixtures."""
    if getattr(session.config.option, "loadgroup", False):
        alone = [item.nodeid for item in session.items if "@" not in item.nodeid]
        if alone:
            raise pytest.UsageError(f"pytest-xdist does not group {alone[0]}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The programs whose versions differ from day to day (record_property)."""
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    met = {pair for report in reports for pair in getattr(report, "user_properties", ())}
    if met:
        terminalreporter.write_line("tried: " + ", ".join(f"{a} {b}" for a, b in sorted(met)))


def _open_files() -> dict[str, str]:
    """What each file descriptor of this process is open on."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[entry.name] = str(entry.readlink())
        except FileNotFoundError:  # the one that listed the folder
            continue
    return found


def children_of(pid: int) -> set[int]:
    """The pids whose parent is `pid` (proc(5), /proc/PID/task/TID/children)."""
    found: set[int] = set()
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
        return found
    for thread in threads:
        try:
            found.update(map(int, (thread / "children").read_text().split()))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _leaks(threads: set[threading.Thread], files: dict[str, str], children: set[int]) -> list[str]:
    return [
        *(f"thread {t.name}" for t in set(threading.enumerate()) - threads),
        *(f"fd {fd} on {target}" for fd, target in _open_files().items() if fd not in files),
        *(f"child process {pid}" for pid in children_of(os.getpid()) - children),
    ]


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: short, for a socket's path has 107 bytes at most (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="pv-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    before = set(threading.enumerate()), _open_files(), children_of(os.getpid())
    yield
    deadline = time.monotonic() + 10  # threads that are ending may need a moment
    while (leaks := _leaks(*before)) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.02)
    assert not leaks, f"the test left behind: {', '.join(leaks)}"
