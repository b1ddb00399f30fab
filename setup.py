"""What pyproject.toml cannot say: how csrc/ is compiled, and where a build puts its files.

setuptools compiles the cffi extension. The NSS module is not a Python extension: one compiler call
of its own makes it, so that it gets none of Python's flags (a RUNPATH, say).

A build works in a temporary folder, never in the checkout. `sudo pip install .` leaves no files of
root there, and a module that was deleted does not come back from an older build.

With SOURCE_DATE_EPOCH set, the same sources and tools make the same bytes of sdist and wheel in
every folder, for every user and with every umask.
"""

from __future__ import annotations

import atexit
import contextlib
import gzip
import os
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any, ClassVar

from setuptools import Command, Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.command.egg_info import egg_info
from setuptools.command.sdist import sdist

MODULE = "nss_pyvirt/lib/libnss_pyvirt.so.2"
SOURCES = ("crc32.c", "snapshot.c", "lookup.c", "answer.c", "pending.c", "nss_pyvirt.c")
FLAGS = (
    "-std=c11",
    "-O2",
    "-fPIC",
    "-fasynchronous-unwind-tables",  # a thread may be cancelled in pending.c
    "-shared",
    "-nostartfiles",
    "-fvisibility=hidden",
    "-D_GNU_SOURCE",
    "-D_FILE_OFFSET_BITS=64",
    "-D_TIME_BITS=64",
    # A failed check of either of these would abort the program that we are a guest in.
    "-fno-stack-protector",
    "-U_FORTIFY_SOURCE",
    "-Wl,-soname,libnss_pyvirt.so.2",
    "-Wl,--version-script=csrc/nss_pyvirt.map",
    "-Wl,-z,now,-z,relro,-z,nodelete,-z,noexecstack,-z,defs",
)


class Sdist(sdist):
    """A source archive that can be built and tested from."""

    def make_distribution(self) -> None:
        """Add the folders that are no Python packages, without what was built in them."""
        for folder in ("csrc", "packaging", "tests"):
            self.filelist.graft(folder)
        self.filelist.include("CHANGELOG.md")
        for built in ("*.so", "*.so.2", "*.o", "*.pyc"):
            self.filelist.global_exclude(built)
        super().make_distribution()

    def make_archive(self, base_name: Any, *_: Any, base_dir: Any = None, **__: Any) -> str:
        """Pack the folder: names in order, and owners, modes and times that no machine decides."""
        when = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))

        def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mtime, entry.mode = when, _mode(entry.mode, is_folder=entry.isdir())
            return entry

        archive = f"{base_name}.tar.gz"
        with (
            Path(archive).open("wb") as raw,
            gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=when) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            tar.add(base_dir, filter=plain)
        return archive


class BuildExt(build_ext):
    """setuptools' build of the extension, without the paths of this machine in it."""

    def build_extension(self, ext: Extension) -> None:
        """Name the checkout `.` and the build's folder `build` in what the compiler writes."""
        folders = {Path.cwd(): ".", Path(self.build_temp).absolute(): "build"}
        ext.extra_compile_args += [
            f"-ffile-prefix-map={folder}={name}" for folder, name in folders.items()
        ]
        super().build_extension(ext)


class BuildNss(Command):
    """Compile the NSS module into the build folder, or in place for an editable install."""

    description = "build the NSS module"
    user_options: ClassVar[list[tuple[str, str | None, str]]] = []

    def initialize_options(self) -> None:
        """Setuptools sets both: where `build` collects, and whether this is `pip install -e`."""
        self.build_lib = ""
        self.editable_mode = False

    def finalize_options(self) -> None:
        """Collect where build_py does."""
        self.build_lib = self.get_finalized_command("build_py").build_lib

    def run(self) -> None:
        """Compile beside the target and rename: a failure keeps the old module."""
        target = Path(self.get_outputs()[0])
        target.parent.mkdir(parents=True, exist_ok=True)
        compiler = shlex.split(os.environ.get("CC", "cc"))
        sources = [f"csrc/{name}" for name in SOURCES]
        new = target.with_name(f".{target.name}.new")
        subprocess.run([*compiler, *FLAGS, "-o", str(new), *sources], check=True)
        new.replace(target)

    def get_outputs(self) -> list[str]:
        """The one file that this makes."""
        return [MODULE if self.editable_mode else str(Path(self.build_lib) / MODULE)]

    def get_output_mapping(self) -> dict[str, str]:
        """No output is a copy of a source."""
        return {}

    def get_source_files(self) -> list[str]:
        """What belongs into the sdist for this step."""
        return [str(path) for path in sorted(Path("csrc").iterdir())]


class Build(build):
    """setuptools' build, in a temporary folder, with the NSS module as one more step."""

    sub_commands: ClassVar = [*build.sub_commands, ("build_nss", None)]

    def initialize_options(self) -> None:
        """Replace the default folder, build/; `--build-base` still overrides it."""
        super().initialize_options()
        self.build_base = _temporary_folder()


class EggInfo(egg_info):
    """setuptools' egg-info, in a temporary folder where nothing needs it in the checkout."""

    def finalize_options(self) -> None:
        """Choose the folder: an sdist and an editable install use the checkout."""
        needed = {"sdist", "editable_wheel"} & {*self.distribution.commands}
        if self.egg_base is None and not needed:
            self.egg_base = _temporary_folder()
        super().finalize_options()


def _mode(found: int, *, is_folder: bool) -> int:
    """What git knows of a mode: whether its owner may execute the file."""
    return 0o755 if is_folder or found & 0o100 else 0o644


def _temporary_folder() -> str:
    """A new folder that is removed when the build has ended."""
    folder = tempfile.mkdtemp(prefix="nss-pyvirt-build-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


COMMANDS: dict[str, Any] = {
    "build": Build,
    "build_ext": BuildExt,
    "build_nss": BuildNss,
    "egg_info": EggInfo,
    "sdist": Sdist,
}

with contextlib.suppress(ImportError):  # setuptools before 70.1 makes no wheel itself
    from setuptools.command.bdist_wheel import bdist_wheel

    class BdistWheel(bdist_wheel):
        """setuptools' wheel, whose files have modes that the umask does not decide."""

        def write_wheelfile(self, *args: Any, **options: Any) -> None:
            """Write the last file of the folder, which is packed next."""
            super().write_wheelfile(*args, **options)
            assert self.bdist_dir is not None  # noqa: S101  for mypy
            for path in Path(self.bdist_dir).rglob("*"):
                path.chmod(_mode(path.stat().st_mode, is_folder=path.is_dir()))

    COMMANDS["bdist_wheel"] = BdistWheel

setup(
    cffi_modules=["nss_pyvirt/_build_cffi.py:ffibuilder"],
    cmdclass=COMMANDS,
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
