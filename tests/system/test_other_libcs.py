"""The shipped module in programs of other C libraries than the one it was built with.

That of a newer Debian, alone in a chroot into which `nss-pyvirt install --root` has put the module,
and of this Debian those for 32 bits and for arm64, cross-built and run by qemu-user. Each is asked
the same as this Debian's own; what is in the table and in /etc/hosts is in lookups.py.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.shipped import run
from tests.system import arm64
from tests.system.answers import (
    AGAIN,
    ANSWERS,
    CANONNAME,
    GETENT,
    NODATA,
    NONAME,
    OURS,
    Libc,
    this_one,
)
from tests.system.lookups import TABLE, UNSPEC, V4, V6, furnish
from tests.system.suites import suite_in_a_chroot
from tests.system.world import World


def built(folder: Path, source: Path, compiler: str) -> Path:
    """The module as setup.py builds it."""
    copy = folder / "source"
    shutil.copytree(source, copy)
    build = ["setup.py", "build_py", f"--build-lib={folder}", "build_nss"]
    run(sys.executable, *build, cwd=copy, env={**os.environ, "CC": compiler})
    (module,) = folder.glob("nss_pyvirt/lib/*.so.2")
    return module


def this_one_of_32_bits(world: World, folder: Path, source: Path) -> Libc:
    module = built(folder, source, "gcc -m32")
    world.run(["install", "-D", module, f"/run/lib32/{module.name}"])
    return this_one(world, folder, word="-m32", path="/run/lib32")


def this_one_of_arm64(world: World, folder: Path, source: Path) -> Libc:
    made = arm64.in_a_world(world, folder)
    module = built(folder, source, " ".join(arm64.compiler()))
    world.run(["install", "-m", "0644", module, f"{made.root}{arm64.LIBRARIES}"])
    return made


THIS, THIS_32, ARM64 = "this", "this-32-bit", "this-arm64"
RELEASES = {"trixie": "2.41"}


@pytest.fixture(
    scope="module",
    params=[
        *(THIS, THIS_32, *RELEASES),
        *(pytest.param(name, marks=pytest.mark.long) for name in (ARM64, "experimental")),
    ],
)
def libc(
    request: pytest.FixtureRequest,
    _namespaces: None,
    source: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Libc]:
    """Each C library in turn, in a world with a table of every kind of answer."""
    folder = tmp_path_factory.mktemp("libc")
    with closing(World()) as world:
        furnish(world)
        if request.param == THIS:
            made = this_one(world, folder)
        elif request.param == THIS_32:
            made = this_one_of_32_bits(world, folder, source)
        elif request.param == ARM64:
            made = this_one_of_arm64(world, folder, source)
        else:
            made = suite_in_a_chroot(world, request.param, folder)
        (version,) = made.ask("version").values()
        ours = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()[-1]
        if request.param in RELEASES:
            assert version == RELEASES[request.param]
        else:
            assert (version == ours) == (request.param in {THIS, THIS_32, ARM64})
        yield made


THEIRS = "10.99.0.1 fd99::1"


def test_every_kind_of_answer_is_the_same_in_each_c_library(libc: Libc) -> None:
    libc.set_hosts_line("pyvirt")
    assert libc.ask(*ANSWERS) == ANSWERS


def test_getent_of_each_c_library_prints_the_same(libc: Libc) -> None:
    """Beside the 32-bit library it is of 64 bits, and passes by the module that is not for it."""
    libc.set_hosts_line("pyvirt")
    said = {}
    for arguments in GETENT:
        done = libc.run("/usr/bin/getent", *arguments.split(), check=False)
        words = [" ".join(line.split()[:2]) for line in done.stdout.splitlines()]
        said[arguments] = (min(done.returncode, 2), words)  # 2.44: 13 for "again"
    assert said == GETENT


def test_in_each_c_library_the_next_module_answers_what_ours_does_not(libc: Libc) -> None:
    name, theirs = f"getaddrinfo web1 {UNSPEC}", f"getaddrinfo other {V4}"
    again, no_data = f"getaddrinfo starting {V6}", f"getaddrinfo db {V6} {CANONNAME}"
    libc.set_hosts_line("pyvirt [TRYAGAIN=return] files")
    answers = {name: f"{OURS} |", theirs: "10.99.0.3 |", again: AGAIN, no_data: "fd99::6 | db"}
    assert libc.ask(*answers) == answers
    libc.set_hosts_line("pyvirt [!UNAVAIL=return] files")
    answers = {name: f"{OURS} |", theirs: NONAME, again: AGAIN, no_data: NODATA}
    assert libc.ask(*answers) == answers


@pytest.mark.parametrize("line", ["pyvirt files", "pyvirt [!UNAVAIL=return] files"])
def test_without_a_table_the_next_module_answers_in_each_c_library(libc: Libc, line: str) -> None:
    questions = {
        f"getaddrinfo web1 {UNSPEC}": f"{THEIRS} |",
        f"getaddrinfo web1 {V4} {CANONNAME}": "10.99.0.1 | web1",
        f"getaddrinfo web1 {V6}": "fd99::1 |",
        f"gethostbyname2_r web1 {V4}": "web1 | 10.99.0.1",
        "gethostbyaddr_r 10.99.0.1": "web1 | 10.99.0.1",
        "getnameinfo 10.99.0.1": "web1",
        f"getaddrinfo nosuch {UNSPEC}": NONAME,
    }
    libc.set_hosts_line(line)
    libc.world.run(["mv", TABLE, f"{TABLE}.away"])
    try:
        assert libc.ask(*questions) == questions
    finally:
        libc.world.run(["mv", f"{TABLE}.away", TABLE])
