"""What the module does when a system call of its own fails, and that the tests reach every branch.

faults.c makes the calls fail. EINTR 4, EIO 5, EPERM 1, ENOSYS 38, EMFILE 24, ERANGE 34.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from nss_pyvirt import snapshot
from tests.csrc import peers
from tests.csrc.building import MODULE_SOURCES, VARIANTS, WRAP, compile_c, not_reached, usable
from tests.csrc.contract import HOSTS, MANY, MATRIX, NOT_YET, SEED, UNKNOWN
from tests.csrc.crafted import CRAFTED

HERE = Path(__file__).parent
HIT = "1 77 0 web1 | 10.77.0.5 fd12::5"


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faults") / "hosts.v1"
    path.write_bytes(snapshot.encode(MANY, generation=1, published=1, seed=SEED))
    path.chmod(0o644)
    return path


def build(folder: Path, *variant: str) -> Path:
    sources = (*(HERE / f"{name}.c" for name in ("probe", "asking", "faults")), *MODULE_SOURCES)
    return compile_c(folder / "probe", variant, "-DPYVIRT_TEST", *WRAP, *sources)


@pytest.fixture(scope="session", params=VARIANTS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    variant = VARIANTS[request.param]
    if not usable(variant):
        pytest.skip(f"no {' '.join(variant)} here: packaging/test installs it")
    return build(tmp_path_factory.mktemp(request.param), *variant)


def probe(program: Path, table: Path, fault: str, *argv: str | int, **environ: str) -> str:
    done = subprocess.run(
        [program, *map(str, argv)],
        env={**os.environ, "PYVIRT_SNAPSHOT": str(table), "FAULT": fault, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


FAULTS = [
    # call, which one (0: all), errno (0: one byte, -1: end of file), what comes out
    *[(call, 1, 4, HIT) for call in ("open", "pread")],
    ("pread", 3, 4, HIT),
    ("pread", 0, 0, HIT),
    *[(call, 0, 4, "-1 4 3") for call in ("open", "fstat", "pread")],
    *[(call, 1, error, f"-1 {error} 3") for call in ("open", "fstat") for error in (1, 5, 38)],
    ("open", 1, 24, "-1 24 3"),
    *[("pread", n, error, f"-1 {error} 3") for n in (1, 2, 3) for error in (1, 5, 38)],
    *[("pread", n, -1, "-1 74 3") for n in (1, 2, 3)],
    *[("clock_gettime", 0, error, f"-1 {error} 3") for error in (1, 38)],
    *[(call, 1, 34, "-1 5 3") for call in ("open", "fstat", "pread")],  # ERANGE is never passed on
]


@pytest.mark.parametrize(("call", "number", "error", "expected"), FAULTS)
def test_a_failing_system_call_is_unavailable_or_made_again(
    program: Path, table: Path, call: str, number: int, error: int, expected: str
) -> None:
    got = probe(program, table, f"{call} {number} {error}", "ask", "gethostbyname4_r", "web1", 0)
    assert got == expected


PEERS_FAULTS = [
    # call, which one (0: all), errno (-1: end of file), what comes out
    ("none", 1, 5, HIT),
    *[("open", 1, error, HIT) for error in (2, 5, 34)],
    ("fstat", 1, 5, HIT),
    ("pread", 1, -1, HIT),
    *[(call, 2, 5, UNKNOWN) for call in ("open", "fstat", "pread")],
    *[("pread", n, -1, UNKNOWN) for n in (2, 3, 4)],
    *[(call, 0, 5, "-1 5 3") for call in ("open", "fstat", "pread")],
]
"""Of a lookup that this host's own table does not know, and the peers' table does."""


@pytest.mark.parametrize(("call", "number", "error", "expected"), PEERS_FAULTS)
def test_a_table_that_cannot_be_read_never_hides_the_other(
    program: Path, table: Path, tmp_path: Path, call: str, number: int, error: int, expected: str
) -> None:
    own, asked = _own_table(tmp_path), ("ask", "gethostbyname4_r", "web1", 0)
    fault = f"{call} {number} {error}"
    assert probe(program, own, fault, *asked, PYVIRT_PEERS=str(table)) == expected


def _own_table(folder: Path) -> Path:
    path = folder / "own"
    path.touch(mode=0o644)
    path.write_bytes(snapshot.encode(HOSTS[1:4], generation=1, published=1))
    return path


def test_where_the_clock_may_not_be_asked_nothing_is_known_to_be_valid(
    program: Path, table: Path
) -> None:
    for function, question, family in [
        ("gethostbyname2_r", "web1", 2),
        ("gethostbyname4_r", "starting", 0),
        ("gethostbyaddr2_r", "10.77.0.5", 2),
    ]:
        got = probe(program, table, "clock_gettime 0 1", "ask", function, question, family)
        assert got == "-1 1 3"


@pytest.mark.parametrize(("data", "expected"), CRAFTED.values(), ids=CRAFTED)
def test_a_table_that_lies_with_right_checksums_does_no_harm(
    program: Path, tmp_path: Path, data: bytes, expected: str
) -> None:
    path = tmp_path / "hosts.v1"
    path.write_bytes(data)
    path.chmod(0o644)
    assert probe(program, path, "", "ask", "gethostbyname4_r", "web1", 0) == expected


def unsound_files(folder: Path, table: Path) -> list[Path]:
    """Paths at which there is no usable table, each for another reason."""
    good = table.read_bytes()
    for name, data in {"short": good[:9], "huge": good, "writable": good}.items():
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o644)
    os.truncate(folder / "huge", 65 << 20)
    (folder / "writable").chmod(0o666)
    return [folder, *(folder / name for name in ("none", "short", "huge", "writable"))]


def test_the_tests_take_every_branch_of_the_module(table: Path, tmp_path: Path) -> None:
    if not usable(("gcc", "--coverage")):
        pytest.skip("no gcc here: packaging/test installs it")
    program = build(tmp_path, "gcc", "-O0", "--coverage")
    for function, question, family, expected in MATRIX:
        assert probe(program, table, "", "ask", function, question, family) == expected
    for call, number, error, expected in FAULTS:
        fault = f"{call} {number} {error}"
        assert probe(program, table, fault, "ask", "gethostbyname4_r", "web1", 0) == expected
    own = _own_table(tmp_path)
    for call, number, error, expected in PEERS_FAULTS:
        fault, asked = f"{call} {number} {error}", ("ask", "gethostbyname4_r", "web1", 0)
        assert probe(program, own, fault, *asked, PYVIRT_PEERS=str(table)) == expected
    for name, expected in {"db": "1 77 0 db | 10.77.0.6 10.78.0.6", "nosuch": UNKNOWN}.items():
        asked = ("ask", "gethostbyname4_r", name, 0)
        assert probe(program, own, "", *asked, PYVIRT_PEERS=str(table)) == expected
    path = tmp_path / "pending"
    path.touch(mode=0o644)
    path.write_bytes(snapshot.encode(HOSTS, generation=1, published=1, pending_wait=30_000))
    with peers.dead(tmp_path / "socket"):
        environ = {"PYVIRT_SERVICE": str(tmp_path / "socket")}
        got = probe(program, path, "", "ask", "gethostbyname4_r", "starting", 0, **environ)
        assert got == NOT_YET
    probe(program, table, "", "sweep", "gethostbyname2_r", "www", 2)
    probe(program, table, "", "sweep", "gethostbyname3_r", "www", 2)
    probe(program, table, "", "sweep", "gethostbyname4_r", "www", 0)
    for path in unsound_files(tmp_path, table):
        assert probe(program, path, "", "ask", "gethostbyname4_r", "web1", 0)[0] != "1"
    path = tmp_path / "crafted"
    path.touch(mode=0o644)
    for data, expected in CRAFTED.values():
        path.write_bytes(data)
        assert probe(program, path, "", "ask", "gethostbyname4_r", "web1", 0) == expected
    path.write_bytes(snapshot.encode(HOSTS[:4], generation=1, published=1))
    probe(program, path, "", "corrupt", "web1", "db", "link", "10.77.0.5", "fe80::1")
    sources = {path.name for path in MODULE_SOURCES} - {"pending.c"}  # see test_pending.py
    assert not_reached(tmp_path, of=sources) == []
