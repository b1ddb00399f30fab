"""The module as glibc uses it: getaddrinfo() and its relatives, under a `hosts:` line of our own.

__nss_configure_lookup() sets that line in one process (as glibc's own tests do), so no root and no
/etc/nsswitch.conf is needed; the module is a test build that takes its path from the environment.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nss_pyvirt import snapshot
from tests.csrc.contract import HOSTS, SEED
from tests.csrc.contract import MANY as MANY_HOSTS
from tests.csrc.glibc import PROLOGUE, ask, build


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("glibc"))


MANY = sorted([[f"10.9.0.{i}"] for i in range(1, 33)])
MAPPED = "socket.AI_V4MAPPED"
QUESTIONS = [
    ("'web1'", [[["10.77.0.5"], ["fd12::5", 0]], ""]),
    (
        "'WWW.', 0, socket.AI_CANONNAME",
        [[["10.77.0.5"], ["fd12::5", 0]], "web1"],
    ),
    ("'web1', socket.AF_INET", [[["10.77.0.5"]], ""]),
    ("'www', socket.AF_INET, socket.AI_CANONNAME", [[["10.77.0.5"]], "web1"]),
    ("'web1', socket.AF_INET6", [[["fd12::5", 0]], ""]),
    ("'www', socket.AF_INET6, socket.AI_CANONNAME", [[["fd12::5", 0]], "web1"]),
    (f"'db', socket.AF_INET6, {MAPPED}", [[["::ffff:10.77.0.6", 0], ["::ffff:10.78.0.6", 0]], ""]),
    (f"'web1', socket.AF_INET6, {MAPPED}", [[["fd12::5", 0]], ""]),
    ("'many'", [MANY, ""]),  # more than glibc's first buffer of 1,024 bytes
    ("'many', socket.AF_INET, socket.AI_CANONNAME", [MANY, "many"]),
    ("'db', socket.AF_INET6", socket.EAI_NODATA),
    ("'nosuch'", socket.EAI_NONAME),
    ("'nosuch', socket.AF_INET6", socket.EAI_NONAME),
    ("'nosuch', socket.AF_INET, socket.AI_CANONNAME", socket.EAI_NONAME),
    ("'gone'", socket.EAI_NONAME),
    ("'starting'", socket.EAI_AGAIN),
    ("'starting', socket.AF_INET", socket.EAI_AGAIN),
]


@pytest.mark.parametrize(("question", "expected"), QUESTIONS)
def test_getaddrinfo_answers(folder: Path, question: str, expected: object) -> None:
    assert ask(folder, f"show(gai({question}))") == expected


CHAINS = [
    # line, question, what comes out
    ("pyvirt [TRYAGAIN=return] files", "'starting'", socket.EAI_AGAIN),
    ("pyvirt files", "'localhost', socket.AF_INET", [[["127.0.0.1"]], ""]),
    ("files pyvirt", "'web1', socket.AF_INET", [[["10.77.0.5"]], ""]),
    ("pyvirt [NOTFOUND=return] files", "'localhost'", socket.EAI_NONAME),
]


@pytest.mark.parametrize(("line", "question", "expected"), CHAINS)
def test_in_a_chain(folder: Path, line: str, question: str, expected: object) -> None:
    assert ask(folder, f"show(gai({question}))", line) == expected


@pytest.mark.parametrize("family", ["0", "socket.AF_INET", "socket.AF_INET6"])
@pytest.mark.parametrize("flags", ["0", "socket.AI_CANONNAME"])
def test_a_missing_or_damaged_table_never_ends_the_chain(
    folder: Path, tmp_path: Path, family: str, flags: str
) -> None:
    (tmp_path / "bad").write_bytes(b"x" * 4096)
    for path in (tmp_path / "none", tmp_path / "bad"):
        code = f"show(gai('localhost', {family}, {flags}))"
        assert ask(folder, code, "pyvirt files", path) == ask(folder, code, "files")


def test_reverse_look_ups_answer_with_the_canonical_name(folder: Path) -> None:
    code = """
show([socket.gethostbyaddr("10.77.0.5"), socket.gethostbyaddr("fd12::5"),
      socket.getnameinfo(("10.78.0.6", 22), socket.NI_NUMERICSERV)[0],
      socket.getnameinfo(("::ffff:10.77.0.5", 22), socket.NI_NUMERICSERV)[0],
      socket.getnameinfo(("10.77.0.9", 22), socket.NI_NUMERICSERV)[0]])
"""
    aliases = ["web1.default.internal", "www"]
    assert ask(folder, code) == [
        ["web1", aliases, ["10.77.0.5"]],
        ["web1", aliases, ["fd12::5"]],
        *("db", "web1", "10.77.0.9"),
    ]


def test_addresses_keep_the_order_in_which_they_were_published(folder: Path) -> None:
    expected = ["many", [], [f"10.9.0.{i}" for i in range(1, 33)]]
    assert ask(folder, "show(socket.gethostbyname_ex('many'))") == expected


def test_no_descriptor_and_no_errno_is_left_behind(folder: Path) -> None:
    code = """
before = sorted(os.listdir("/proc/self/fd"))
for name in ["web1", "nosuch", "starting", "db", "many"] * 20:
    gai(name); gai(name, socket.AF_INET6); gai(name, socket.AF_INET, socket.AI_CANONNAME)
show(before == sorted(os.listdir("/proc/self/fd")))
"""
    assert ask(folder, code) is True


@pytest.mark.parametrize(
    ("hosts", "name", "reads"),
    [
        (HOSTS[:2], "nosuch", 1),
        (HOSTS[:2], "web1", 1),
        (HOSTS, "nosuch", 1),
        (HOSTS, "web1", 1),
        (MANY_HOSTS, "nosuch", 2),
        (MANY_HOSTS, "web1", 3),
    ],
    ids=lambda value: f"{len(value)}-hosts" if isinstance(value, tuple) else str(value),
)
def test_a_look_up_makes_these_system_calls_and_no_other(
    folder: Path, hosts: tuple[snapshot.Host, ...], name: str, reads: int, tmp_path: Path
) -> None:
    """A small table is read at once. Without peers, a miss costs one open that fails."""
    table = tmp_path / "hosts.v1"
    table.touch(mode=0o644)
    table.write_bytes(snapshot.encode(hosts, generation=1, published=1, seed=SEED))
    code = f"gai('{name}'); os.write(2, b'begin'); gai('{name}'); os.write(2, b'end')"
    trace = tmp_path / "trace"
    done = subprocess.run(
        ["strace", "-o", trace, sys.executable, "-c", PROLOGUE + code],
        env={
            **os.environ,
            "LD_LIBRARY_PATH": str(folder),
            "PYVIRT_SNAPSHOT": str(table),
            "PYVIRT_PEERS": str(tmp_path / "peers.v1"),
            "HOSTS_LINE": "pyvirt",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    between = trace.read_text().split('"begin"')[1].split('"end"')[0].splitlines()[1:-1]
    calls = [line.partition("(")[0] for line in between]
    start = next(i for i, line in enumerate(between) if "hosts.v1" in line)
    expected = ["openat", calls[start + 1], *["pread64"] * reads, "close"]
    assert calls[start : start + len(expected)] == expected
    assert calls[start + 1] in {"fstat", "newfstatat"}
    of_peers = [line for line in between if "peers.v1" in line]
    assert len(of_peers) == (name == "nosuch")
    assert between[start + len(expected) :][: len(of_peers)] == of_peers
