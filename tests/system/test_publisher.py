"""The publisher is killed at each of its system calls: the old or the new table stands, whole."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from leasewatch.addresses import parse
from leasewatch.hosttable.publisher import Publisher
from leasewatch.model import HostAddress, HostRecord
from nss_pyvirt import snapshot
from tests.system.world import CHECKOUT

LATER = 4_000_000_000
PUBLISH = """
import sys
from pathlib import Path
from tests.system.test_publisher import publisher

made = publisher(Path(sys.argv[1]), "10.77.0.2")
print("ready", flush=True)
sys.stdin.readline()
made.publish(2, 0)
print("published", flush=True)
"""


def publisher(path: Path, address: str) -> Publisher:
    """A publisher with 200 hosts, all at that address, that has not published them yet."""
    made = Publisher(path)
    made.adopt(1)
    for name in ("web1", *(f"host{i}" for i in range(199))):
        found = HostAddress(address=parse(address), expires=LATER, network="default")
        made.set(name, (HostRecord(names=(name,), addresses=(found,), trust="owner"),), 1)
    return made


def publish_under_strace(path: Path, log: Path, *options: str) -> int:
    """Publish 10.77.0.2 in a process that strace is attached to; its exit status."""
    with subprocess.Popen(
        [sys.executable, "-c", PUBLISH, path],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        with subprocess.Popen(
            ["strace", "-o", log, "-p", str(process.pid), *options],
            stderr=subprocess.PIPE,
            text=True,
        ) as strace:
            assert strace.stderr
            said = strace.stderr.readline()
            if "attached" not in said:
                process.kill()
            assert "attached" in said, said
            process.communicate("\n", timeout=60)
            strace.communicate(timeout=60)
    return process.returncode


def calls_of(log: Path) -> list[tuple[str, int]]:
    """The system calls between "go" and "published", each with its number among its like.

    strace may come too late for the one that reads "go".
    """
    lines = log.read_text().splitlines()
    calls: list[tuple[str, int]] = []
    seen: Counter[str] = Counter()
    for line in lines:
        if line.startswith("write(1,"):
            return calls
        if (match := re.match(r"(\w+)\(", line)) and not line.startswith("read(0,"):
            name = match[1]
            seen[name] += 1
            calls.append((name, seen[name]))
    raise AssertionError(lines)


def addresses(path: Path) -> set[str]:
    """The one address of each host, as a set: of one generation, it has one member."""
    hosts = snapshot.read(path).hosts
    assert len(hosts) == 200
    return {".".join(map(str, host.addresses[0].packed)) for host in hosts}


@pytest.mark.usefixtures("_namespaces")  # root, who may attach to what is no child of strace
def test_a_publisher_killed_at_any_system_call_leaves_the_old_or_the_new_table(
    tmp_path: Path,
) -> None:
    path, log = tmp_path / "hosts.v1", tmp_path / "strace.log"
    publisher(path, "10.77.0.1").publish(1, 0)
    assert publish_under_strace(path, log) == 0
    assert addresses(path) == {"10.77.0.2"}
    calls = calls_of(log)
    left = []
    for name, number in calls:
        publisher(path, "10.77.0.1").publish(1, 0)
        inject = f"inject={name}:signal=KILL:when={number}"
        assert publish_under_strace(path, log, "-e", inject) == -9, (name, number)
        left.append(addresses(path))
        publisher(path, "10.77.0.3").publish(3, 0)
        assert addresses(path) == {"10.77.0.3"}
        assert not list(tmp_path.glob(".*"))
    assert {"rename", "openat", "write", "fchmod"} <= {name for name, _ in calls}
    replaced = left.index({"10.77.0.2"})
    assert left == [{"10.77.0.1"}] * replaced + [{"10.77.0.2"}] * (len(left) - replaced)
    assert calls[replaced - 1][0] == "rename"
