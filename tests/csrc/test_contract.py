"""The six entry points against the matrix of nsswitch: status, errno, h_errno, outputs, buffers.

Numbers are those of <nss.h>, <errno.h> and <netdb.h>. Time is real: what lives ends in 2096, what
is over ended in 1970.
"""

from __future__ import annotations

import os
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import Host
from tests.csrc.building import CSRC, MODULE_SOURCES, VARIANTS, compile_c, usable
from tests.csrc.contract import (
    ABSENT,
    ADDR,
    ADDR2,
    DAMAGED,
    HIT,
    HOSTS,
    MATRIX,
    NAME,
    NAME2,
    NAME3,
    NAME4,
    NO_DATA,
    NOT_TRUSTED,
    NOT_YET,
    TOO_SMALL,
    UNKNOWN,
    V4,
    V6,
    WEB1,
    address,
)
from tests.nss_pyvirt.oracle import siphash


@pytest.fixture(scope="session", params=VARIANTS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tests/csrc/probe.c with the module's sources in it."""
    variant = VARIANTS[request.param]
    if not usable(variant):
        pytest.skip(f"no {' '.join(variant)} here: packaging/test installs it")
    sources = [Path(__file__).with_name(name) for name in ("probe.c", "asking.c")]
    target = tmp_path_factory.mktemp("probe") / request.param
    return compile_c(target, variant, "-DPYVIRT_TEST", *sources, *MODULE_SOURCES)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "hosts.v1"
    path.write_bytes(snapshot.encode(HOSTS, generation=1, published=1))
    path.chmod(0o644)
    return path


def probe(program: Path, table: Path, *argv: str | int, peers: Path | None = None) -> str:
    paths = {"PYVIRT_SNAPSHOT": str(table)} | ({"PYVIRT_PEERS": str(peers)} if peers else {})
    done = subprocess.run(
        [program, *map(str, argv)],
        env={**os.environ, **paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("function", "question", "family", "expected"), MATRIX)
def test_a_question_has_this_answer(
    program: Path, table: Path, function: str, question: str, family: int, expected: str
) -> None:
    assert probe(program, table, "ask", function, question, family) == expected


SWEPT = [row for row in MATRIX if row[1] in {"web1", "www", "db", "link", "nosuch", "starting"}] + [
    (ADDR, "::ffff:10.77.0.5", V6, f"{HIT} {WEB1} ::ffff:10.77.0.5"),
    (ADDR2, "fd12::5", V6, f"{HIT} {WEB1} fd12::5"),
    (ADDR2, "10.77.0.9", V4, UNKNOWN),
    (NAME4, "many", 0, f"{HIT} many | {' '.join(f'10.9.0.{i}' for i in range(1, 33))}"),
]


@pytest.mark.parametrize(("function", "question", "family", "expected"), SWEPT)
def test_every_buffer_length_at_every_offset_is_too_small_or_enough_and_never_overrun(
    program: Path, table: Path, function: str, question: str, family: int, expected: str
) -> None:
    both = probe(program, table, "sweep", function, question, family)
    assert both == f"{expected}\n{expected}"


PEERS = (
    *(Host((name,), (address("10.9.9.9"),)) for name in ("web1", "db", "starting", "gone")),
    Host(("web1.lab.hostb.vm.example.org", "far"), (address("10.9.9.1"), address("10.77.0.5"))),
)
FAR = "web1.lab.hostb.vm.example.org"
BOTH_TABLES = [
    # function, question, family, what comes out
    (NAME4, "far", 0, f"{HIT} {FAR} | 10.9.9.1 10.77.0.5"),
    (NAME2, "FAR.", V4, f"{HIT} {FAR} far | 10.9.9.1 10.77.0.5"),
    (NAME2, "far", V6, NO_DATA),
    (ADDR, "10.9.9.1", V4, f"{HIT} {FAR} far | 10.9.9.1"),
    (NAME2, "gone", V4, f"{HIT} gone | 10.9.9.9"),
    (NAME2, "nosuch", V4, UNKNOWN),
    (ADDR, "192.0.2.1", V4, UNKNOWN),
    # This host's own table comes first: found, no data and not yet.
    (NAME2, "web1", V4, f"{HIT} {WEB1} 10.77.0.5"),
    (NAME2, "db", V6, NO_DATA),
    (NAME4, "starting", 0, NOT_YET),
    (ADDR, "10.77.0.5", V4, f"{HIT} {WEB1} 10.77.0.5"),
]


@pytest.fixture
def peers(tmp_path: Path) -> Path:
    path = tmp_path / "peers.v1"
    path.touch(mode=0o644)
    path.write_bytes(snapshot.encode(PEERS, generation=1, published=1))
    return path


@pytest.mark.parametrize(("function", "question", "family", "expected"), BOTH_TABLES)
def test_the_peers_table_is_asked_after_a_miss_alone(
    program: Path,
    table: Path,
    peers: Path,
    function: str,
    question: str,
    family: int,
    expected: str,
) -> None:
    assert probe(program, table, "ask", function, question, family, peers=peers) == expected
    swept = probe(program, table, "sweep", function, question, family, peers=peers)
    assert swept == f"{expected}\n{expected}"


@pytest.mark.parametrize(("function", "question", "family", "expected"), MATRIX)
def test_a_missing_or_damaged_table_of_the_peers_changes_no_answer(
    program: Path,
    table: Path,
    tmp_path: Path,
    function: str,
    question: str,
    family: int,
    expected: str,
) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(bytes(4096))
    for peers in (tmp_path / "none", damaged):
        got = probe(program, table, "ask", function, question, family, peers=peers)
        assert got == expected


@pytest.mark.parametrize("function", [NAME, NAME2, NAME3, NAME4, ADDR, ADDR2])
def test_the_peers_table_answers_where_the_own_one_is_missing_or_damaged(
    program: Path, peers: Path, tmp_path: Path, function: str
) -> None:
    own = tmp_path / "own"
    own.write_bytes(bytes(4096))
    own.chmod(0o644)
    known, unknown = ("far", "nosuch")
    if function in {ADDR, ADDR2}:
        known, unknown = ("10.9.9.1", "192.0.2.1")
    for path, failure in ((own, DAMAGED), (tmp_path / "none", ABSENT)):
        assert probe(program, path, "ask", function, known, V4, peers=peers).startswith(HIT)
        assert probe(program, path, "ask", function, unknown, V4, peers=peers) == failure


def test_a_buffer_of_no_bytes_is_too_small(program: Path, table: Path) -> None:
    for function, question, family in [(NAME4, "web1", 0), (ADDR, "10.77.0.5", V4)]:
        assert probe(program, table, "ask", function, question, family, 0) == TOO_SMALL


@pytest.mark.parametrize("function", [NAME, NAME2, NAME3, NAME4, ADDR, ADDR2])
def test_without_a_usable_file_every_entry_point_is_unavailable(
    program: Path, table: Path, tmp_path: Path, function: str
) -> None:
    def ask(path: Path) -> str:
        question = "10.77.0.5" if function in {ADDR, ADDR2} else "web1"
        return probe(program, path, "ask", function, question, V4)

    assert ask(tmp_path / "none") == ABSENT
    assert ask(table / "below") == "-1 20 3"
    assert ask(tmp_path) == NOT_TRUSTED
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert ask(tmp_path / "fifo") == NOT_TRUSTED
    (tmp_path / "link").symlink_to(table)
    assert ask(tmp_path / "link") == "-1 40 3"
    for mode in (0o664, 0o646):
        table.chmod(mode)
        assert ask(table) == NOT_TRUSTED
    table.chmod(0o644)
    good = table.read_bytes()
    for bad in (b"", good[:103], good[:-8], good + bytes(8), bytes(len(good)), b"x" + good[1:]):
        table.write_bytes(bad)
        assert ask(table) == DAMAGED
    table.write_bytes(good)
    assert ask(table).startswith(HIT)


def test_no_flipped_bit_no_wild_offset_and_no_truncation_crashes_or_answers_wrongly(
    program: Path, tmp_path: Path
) -> None:
    path = tmp_path / "hosts.v1"
    path.write_bytes(snapshot.encode(HOSTS[:5], generation=1, published=1))
    path.chmod(0o644)
    asked = ("web1", "web1.default.internal", "db", "link", "10.77.0.5", "fd12::5", "fe80::1")
    bits, lengths = probe(program, path, "corrupt", *asked).split(", ")
    assert int(bits.split()[0]) == 8 * int(lengths.split()[0]) > 8000


BUCKETS, SLOTS = 1 << 21, (1 << 21) + 16  # the design limit


def write_sparse_table(path: Path, length: int) -> None:
    """A file of `length` bytes with as many slots as there may be, empty but for web1's."""
    record = snapshot.pack(HOSTS[0])
    record_off = length - len(record)
    header = struct.pack(
        "=8sIHHIIQQQ16sIIQQI8x",
        *(b"PVHOSTS\n", 0x01020304, 2, 0, 104, 0, length, 1, 1, bytes(16), BUCKETS, 16),
        *(104, 104 + SLOTS * 8, 1),
    )
    tag = siphash(bytes(16), b"web1") >> 32
    with path.open("r+b") as file:
        file.truncate(length)
        file.write(header + struct.pack("=I", zlib.crc32(header)))
        file.seek(104 + (tag * BUCKETS >> 32) * 8)
        reference = max(0, record_off - 104 - SLOTS * 8) // 8 << 9 | len(record) // 8 - 1
        file.write(struct.pack("=II", tag, reference))
        file.seek(record_off)
        file.write(record)


def test_the_largest_tables_are_read_and_larger_files_are_not(program: Path, table: Path) -> None:
    for length, expected in [
        (64 << 20, f"{HIT} web1 | 10.77.0.5 fd12::5"),
        ((64 << 20) + 8, DAMAGED),
        (104 + SLOTS * 8 - 8, DAMAGED),
    ]:
        write_sparse_table(table, length)
        assert probe(program, table, "ask", NAME4, "web1", 0) == expected


@pytest.mark.parametrize("variant", ["gcc", "clang", "gcc -m32"])
def test_the_sources_compile_without_a_warning(variant: str, tmp_path: Path) -> None:
    words = tuple(variant.split())
    if not usable(words):
        pytest.skip(f"no {variant} here: packaging/test installs it")
    for source in sorted(CSRC.glob("*.c")):
        compile_c(tmp_path / "out.o", words, "-O2", "-fPIC", "-c", source)
