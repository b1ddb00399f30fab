"""The six entry points against the matrix of nsswitch: status, errno, h_errno, outputs, buffers.

Numbers are those of <nss.h>, <errno.h> and <netdb.h>. Time is real: what lives ends in 2096, what
is over ended in 1970.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import Address, Host
from tests.csrc.building import CSRC, MODULE_SOURCES, VARIANTS, compile_c, usable
from tests.nss_pyvirt.oracle import siphash

V4, V6 = int(socket.AF_INET), int(socket.AF_INET6)
ALIVE, OVER = 4_000_000_000, 1
OWN_ERRNO = 77  # what asking.c sets before each call
HIT = f"1 {OWN_ERRNO} 0"
UNKNOWN = f"0 {OWN_ERRNO} 1"  # NOTFOUND, HOST_NOT_FOUND
NO_DATA = f"0 {OWN_ERRNO} 4"
NOT_YET = "-2 11 2"  # TRYAGAIN, EAGAIN, TRY_AGAIN
TOO_SMALL = "-2 34 -1"  # TRYAGAIN, ERANGE, NETDB_INTERNAL
NO_FAMILY = "-1 97 3"  # UNAVAIL, EAFNOSUPPORT, NO_RECOVERY
INVALID = "-1 22 3"
ABSENT = "-1 2 3"
NOT_TRUSTED = "-1 1 3"
DAMAGED = "-1 74 3"


def address(text: str, expires: int = ALIVE, ifindex: int = 0) -> Address:
    family = V6 if ":" in text else V4
    return Address(family, socket.inet_pton(family, text), expires, ifindex)


LONGEST = f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 61}"
HOSTS = (
    Host(
        ("web1", "web1.default.internal", "www"),
        (address("10.77.0.5"), address("fd12::5"), address("fe80::1", ifindex=4)),
    ),
    Host(("db",), (address("10.77.0.6"), address("10.77.0.7", OVER), address("10.78.0.6"))),
    Host(("six",), (address("fd12::6"),)),
    Host(("link",), (address("fe80::2", ifindex=9),)),
    Host(
        ("near",),
        (address("fe80::3", ifindex=9), address("fe80::3", ifindex=7), address("10.77.0.10")),
    ),
    Host(("gone",), (address("10.77.0.9", OVER),)),
    Host(("starting",), (), ALIVE),
    Host(("late",), (), OVER),
    Host(("half",), (address("10.77.0.8"),), ALIVE, frozenset({V6})),
    Host(("wait6",), (), ALIVE, frozenset({V6})),
    Host((LONGEST,), (address("10.77.0.253"),)),
    Host(("many",), tuple(address(f"10.9.0.{i}") for i in range(1, 33))),
)

MANY = (*HOSTS, *(Host((f"filling{i}",), (address(f"10.8.0.{i}"),)) for i in range(1, 41)))
"""So many that the header, the slots and the record are each read by themselves…"""
SEED = bytes([8] * 16)
"""…with this seed: it puts `web1` and `nosuch` into the latter half of the buckets."""


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


def probe(program: Path, table: Path, *argv: str | int) -> str:
    done = subprocess.run(
        [program, *map(str, argv)],
        env={**os.environ, "PYVIRT_SNAPSHOT": str(table)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


NAME, NAME2, NAME3, NAME4 = (f"gethostbyname{n}_r" for n in ("", "2", "3", "4"))
ADDR, ADDR2 = "gethostbyaddr_r", "gethostbyaddr2_r"
WEB1 = "web1 web1.default.internal www |"

MATRIX = [
    (NAME, "web1", 0, f"{HIT} {WEB1} 10.77.0.5"),
    (NAME, "six", 0, NO_DATA),
    (NAME2, "web1", V4, f"{HIT} {WEB1} 10.77.0.5"),
    (NAME2, "WWW", V4, f"{HIT} {WEB1} 10.77.0.5"),
    (NAME2, "web1.", V4, f"{HIT} {WEB1} 10.77.0.5"),
    (NAME2, "web1", V6, f"{HIT} {WEB1} fd12::5"),  # no scope can be said: no link-local
    (NAME2, "web1", 0, f"{HIT} {WEB1} 10.77.0.5"),
    (NAME2, "web1", 1, NO_FAMILY),
    (NAME2, "nosuch", 1, NO_FAMILY),
    (NAME2, "db", V4, f"{HIT} db | 10.77.0.6 10.78.0.6"),
    (NAME2, "db", V6, NO_DATA),
    (NAME2, "link", V6, NO_DATA),
    (NAME2, "link", V4, NO_DATA),
    (NAME2, "gone", V4, UNKNOWN),
    (NAME2, "gone", V6, UNKNOWN),
    (NAME2, "nosuch", V4, UNKNOWN),
    (NAME2, "www.web1", V4, UNKNOWN),
    (NAME2, "", V4, UNKNOWN),
    (NAME2, ".", V4, UNKNOWN),
    (NAME2, "we b", V4, UNKNOWN),
    (NAME2, "web1..", V4, UNKNOWN),
    (NAME2, "a" * 64, V4, UNKNOWN),
    (NAME2, "a." * 2000, V4, UNKNOWN),
    (NAME2, "w\u00e9b", V4, UNKNOWN),
    (NAME2, "-_09azAZ", V4, UNKNOWN),
    *[(NAME2, f"web1{c}", V4, UNKNOWN) for c in "/:@[`{"],  # beside the letters and digits
    (NAME2, LONGEST, V4, f"{HIT} {LONGEST} | 10.77.0.253"),
    (NAME2, f"{LONGEST}.", V4, f"{HIT} {LONGEST} | 10.77.0.253"),
    (NAME2, f"{LONGEST}x", V4, UNKNOWN),
    (NAME2, "wait6", V4, UNKNOWN),
    (NAME2, "wait6", V6, NOT_YET),
    (NAME2, "starting", V4, NOT_YET),
    (NAME2, "starting", V6, NOT_YET),
    (NAME2, "late", V4, UNKNOWN),
    (NAME2, "half", V4, f"{HIT} half | 10.77.0.8"),
    (NAME2, "half", V6, NOT_YET),
    (NAME3, "www", V4, f"{HIT} {WEB1} 10.77.0.5"),
    (NAME3, "www", V6, f"{HIT} {WEB1} fd12::5"),
    (NAME3, "db", V6, NO_DATA),
    (NAME3, "web1", 1, NO_FAMILY),
    (NAME3, "nosuch", V4, UNKNOWN),
    (NAME3, "starting", V4, NOT_YET),
    (NAME4, "www", 0, f"{HIT} web1 | 10.77.0.5 fd12::5"),  # nothing link-local beside better ones
    (NAME4, "db", 0, f"{HIT} db | 10.77.0.6 10.78.0.6"),
    (NAME4, "six", 0, f"{HIT} six | fd12::6"),
    (NAME4, "link", 0, f"{HIT} link | fe80::2%9"),
    (NAME4, "near", 0, f"{HIT} near | fe80::3%9 fe80::3%7 10.77.0.10"),
    (NAME4, "half", 0, f"{HIT} half | 10.77.0.8"),
    (NAME4, "gone", 0, UNKNOWN),
    (NAME4, "late", 0, UNKNOWN),
    (NAME4, "nosuch", 0, UNKNOWN),
    (NAME4, "", 0, UNKNOWN),
    (NAME4, "starting", 0, NOT_YET),
    (ADDR, "10.77.0.5", V4, f"{HIT} {WEB1} 10.77.0.5"),
    (ADDR, "fd12::5", V6, f"{HIT} {WEB1} fd12::5"),
    (ADDR, "::ffff:10.77.0.5", V6, f"{HIT} {WEB1} ::ffff:10.77.0.5"),
    (ADDR, "10.77.0.7", V4, UNKNOWN),
    (ADDR, "10.77.0.9", V4, UNKNOWN),
    (ADDR, "192.0.2.1", V4, UNKNOWN),
    (ADDR, "::", V6, UNKNOWN),
    (ADDR, "10.77.0.5", V6, INVALID),
    (ADDR, "fd12::5", V4, INVALID),
    (ADDR, "10.77.0.5+1", V4, INVALID),
    (ADDR, "fd12::5+-1", V6, INVALID),
    (ADDR, "10.77.0.5", 0, NO_FAMILY),
    (ADDR2, "fe80::1", V6, f"{HIT} {WEB1} fe80::1"),
    (ADDR2, "fe80::3", V6, f"{HIT} near | fe80::3"),
    (ADDR2, "10.78.0.6", V4, f"{HIT} db | 10.78.0.6"),
    (ADDR2, "10.78.0.7", V4, UNKNOWN),
    (ADDR2, "10.77.0.5", 1, NO_FAMILY),
]


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
    for bad in (b"", good[:127], good[:-8], good + bytes(8), bytes(len(good)), b"x" + good[1:]):
        table.write_bytes(bad)
        assert ask(table) == DAMAGED
    table.write_bytes(good)
    assert ask(table).startswith(HIT)


def test_no_flipped_bit_no_wild_offset_and_no_truncation_crashes_or_answers_wrongly(
    program: Path, tmp_path: Path
) -> None:
    path = tmp_path / "hosts.v1"
    path.write_bytes(snapshot.encode(HOSTS[:4], generation=1, published=1))
    path.chmod(0o644)
    asked = ("web1", "web1.default.internal", "db", "link", "10.77.0.5", "fd12::5", "fe80::1")
    bits, lengths = probe(program, path, "corrupt", *asked).split(", ")
    assert int(bits.split()[0]) == 8 * int(lengths.split()[0]) > 8000


BUCKETS, SLOTS = 1 << 20, (1 << 20) + 8  # the design limit


def write_sparse_table(path: Path, length: int) -> None:
    """A file of `length` bytes with two tables as large as they may be, holes but for web1."""
    record = snapshot.pack(HOSTS[0])
    record_off = length - len(record)
    header = struct.pack(
        "=8sIHHIIQQQ16sIIQQQHHI20x",
        *(b"PVHOSTS\n", 0x01020304, 1, 0, 128, 0, length, 1, 1, bytes(16), BUCKETS, BUCKETS),
        *(128, 128 + SLOTS * 16, 128 + SLOTS * 32, 8, 8, 1),
    )
    value = siphash(bytes(16), b"web1")
    with path.open("r+b") as file:
        file.truncate(length)
        file.write(header + struct.pack("=I", zlib.crc32(header)))
        file.seek(128 + value % BUCKETS * 16)
        file.write(struct.pack("=IIQ", value >> 32, len(record), record_off))
        file.seek(record_off)
        file.write(record)


def test_the_largest_tables_are_read_and_larger_files_are_not(program: Path, table: Path) -> None:
    for length, expected in [
        (64 << 20, f"{HIT} web1 | 10.77.0.5 fd12::5"),
        ((64 << 20) + 8, DAMAGED),
        (128 + SLOTS * 32 - 8, DAMAGED),
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
