"""What is shipped: sdist and wheel each hold both binaries, and the NSS module is fit for a guest.

The wheel is built from the sdist and tried where the source is absent.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

from tests.shipped import OLD_MODULE, ROOT, run

MODULE = "nss_pyvirt/lib/libnss_pyvirt.so.2"
ENTRY_POINTS = {
    f"_nss_pyvirt_{name}_r"
    for name in (
        *("gethostbyname", "gethostbyname2", "gethostbyname3", "gethostbyname4"),
        *("gethostbyaddr", "gethostbyaddr2"),
    )
}


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel's contents were unpacked to, far from any source."""
    target = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


@pytest.fixture(scope="session")
def module(installed: Path) -> Path:
    return installed / MODULE


def test_the_sdist_holds_the_sources_and_nothing_that_was_built(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"setup.py", "LICENSE", "CHANGELOG.md", "pyproject.toml", "packaging/try"}
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "csrc").iterdir()}
    assert sources | wanted <= names
    assert not [name for name in names if re.search(r"\.(so|so\.2|o|pyc)$", name)]


def test_the_wheel_holds_the_extension_and_the_nss_module(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        scripts = {n: archive.read(n) for n in names if ".data/scripts/" in n}
    assert {Path(n).name for n in scripts} == {"leasewatch", "nss-pyvirt", "pyvirt"}
    assert all(text.startswith(b"#!python\n") for text in scripts.values())  # pip writes its own
    assert {MODULE, "nss_pyvirt/_snapshot.abi3.so", "nss_pyvirt/py.typed"} <= names
    assert any(name.endswith(".data/data/share/man/man8/nss_pyvirt.8") for name in names)
    texts = "share/varlink/interfaces/org.pyvirt.Admin.varlink"
    assert any(name.endswith(f".data/data/{texts}") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "csrc/", "packaging/"))]


def test_no_umask_user_or_path_of_the_machine_is_in_what_is_shipped(
    sdist: Path, wheel: Path, installed: Path
) -> None:
    with tarfile.open(sdist) as archive:
        entries = archive.getmembers()
    assert {(each.uid, each.gid, each.uname, each.gname) for each in entries} == {(0, 0, "", "")}
    assert {each.mode for each in entries} == {0o644, 0o755}
    assert len({each.mtime for each in entries}) == 1
    with zipfile.ZipFile(wheel) as packed:
        files = [one for one in packed.infolist() if not one.filename.endswith("/RECORD")]
    assert {one.external_attr >> 16 & 0o777 for one in files} == {0o644, 0o755}
    for built in (MODULE, "nss_pyvirt/_snapshot.abi3.so"):
        assert tempfile.gettempdir().encode() not in (installed / built).read_bytes()


def test_the_wheel_is_for_every_linux_with_a_glibc_of_its_tag(wheel: Path) -> None:
    assert wheel.name.endswith(f"-cp311-abi3-manylinux_2_34_{platform.machine()}.whl")


def test_a_wheel_that_needs_more_than_its_tag_says_is_not_made(
    unpacked: Path, tmp_path: Path
) -> None:
    older = f"manylinux_2_17_{platform.machine()}"
    done = subprocess.run(
        [unpacked / "packaging/wheel", "--platform", older, tmp_path / "made"],
        env={**os.environ, "PYTHON": sys.executable, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 1
    fault, hint = done.stderr.splitlines()
    assert re.fullmatch(rf"wheel: \S+ needs glibc 2\.\d+, {older} allows 2\.17", fault)
    assert hint == "  hint: build on an older system, or name its PLATFORM"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["--platform", "linux"], "--platform linux is not like manylinux_2_34_"),
        (["--platform"], "--platform  is not like"),
        (["a", "b"], "one folder is enough"),
        (["--strip"], "unknown option --strip"),
    ],
)
def test_wrong_usage_is_one_line(argv: list[str], fault: str) -> None:
    done = subprocess.run(
        [ROOT / "packaging/wheel", *argv], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"wheel: {fault}")


def test_a_build_leaves_nothing_in_the_checkout_and_takes_nothing_from_an_older_build(
    sdist: Path, unpacked: Path, wheel: Path
) -> None:
    with tarfile.open(sdist) as archive:
        shipped = {name.partition("/")[2] for name in archive.getnames()}
    files = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert files - shipped == {OLD_MODULE}
    with zipfile.ZipFile(wheel) as archive_:
        assert Path(OLD_MODULE).name not in " ".join(archive_.namelist())


def test_the_installed_extension_works_without_the_source(installed: Path, tmp_path: Path) -> None:
    code = (
        "from nss_pyvirt import snapshot as s; print(s.__file__);"
        "print(len(s.encode([s.Host(('web1',), ())], generation=1, published=1)))"
    )
    env = {**os.environ, "PYTHONPATH": str(installed)}
    where, length = run(sys.executable, "-P", "-c", code, cwd=tmp_path, env=env).split()
    assert Path(where).is_relative_to(installed)
    assert int(length) > 128


def test_an_editable_install_builds_both_in_place(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "editable"
    shutil.copytree(source, copy)
    code = f"import setuptools.build_meta as b; b.build_editable({str(tmp_path)!r})"
    run(sys.executable, "-c", code, cwd=copy)
    assert (copy / MODULE).is_file()
    assert (copy / "nss_pyvirt/_snapshot.abi3.so").is_file()


def test_the_module_exports_the_six_entry_points_and_nothing_else(module: Path) -> None:
    lines = run("nm", "-D", "--defined-only", module).splitlines()
    assert {line.split()[-1] for line in lines} == ENTRY_POINTS


def test_the_module_needs_libc_alone_and_searches_nowhere(module: Path) -> None:
    dynamic = run("readelf", "-dW", module)
    assert re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic) == ["libc.so.6"]
    assert re.findall(r"\(SONAME\).*\[(.*)\]", dynamic) == ["libnss_pyvirt.so.2"]
    assert not re.search(r"RPATH|RUNPATH|INIT|FINI|TEXTREL", dynamic)


def test_the_module_stays_loaded_and_is_bound_at_once(module: Path) -> None:
    (flags,) = re.findall(r"\(FLAGS_1\)\s+Flags: (.*)", run("readelf", "-dW", module))
    assert {"NOW", "NODELETE"} <= set(flags.split())


def test_the_module_has_no_writable_data_no_tls_and_no_executable_stack(module: Path) -> None:
    segments = run("readelf", "-lW", module)
    assert re.search(r"GNU_STACK .* RW +0x", segments)
    assert "GNU_RELRO" in segments
    assert not re.search(r"^\s+TLS ", segments, re.MULTILINE)
    sections = re.findall(r"\] (\.\S+)", run("readelf", "-SW", module))
    assert not {".data", ".bss", ".tdata", ".tbss", ".init_array", ".fini_array"} & set(sections)


FORBIDDEN = re.compile(
    r"alloc|free|getenv|printf|puts|fopen|syslog|abort|exit|assert|__stack_chk|__.*_chk$|"
    r"setlocale|tolower|strto|dlopen|signal|sigaction|lock$"
)


def test_the_module_calls_nothing_that_a_guest_in_any_program_must_not(module: Path) -> None:
    undefined = run("nm", "-D", "--undefined-only", module).split()
    names = {word.partition("@")[0] for word in undefined if len(word) > 1}
    assert {"pread64", "close"} <= names
    assert not [name for name in names if FORBIDDEN.search(name)]


def test_the_module_runs_on_glibc_2_34(module: Path) -> None:
    versions = re.findall(r"@GLIBC_(\d+)\.(\d+)", run("nm", "-D", "--undefined-only", module))
    assert versions
    assert max((int(major), int(minor)) for major, minor in versions) <= (2, 34)


def test_the_module_says_the_paths_that_only_root_can_create(module: Path) -> None:
    text = module.read_bytes()
    assert b"/run/leasewatch/hosts.v1\0" in text
    assert b"/run/leasewatch-dns/peers.v1\0" in text
    assert b"PYVIRT_" not in text
