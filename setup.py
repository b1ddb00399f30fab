"""What pyproject.toml cannot say: how csrc/ is compiled, and where a build puts its files.

setuptools compiles the cffi extension. The NSS module is not a Python extension: one compiler call
of its own makes it, so that it gets none of Python's flags (a RUNPATH, say).

A build works in a temporary folder, never in the checkout. `sudo pip install .` leaves no files of
root there, and a module that was deleted does not come back from an older build.
"""

from __future__ import annotations

import atexit
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

from setuptools import Command, setup
from setuptools.command.build import build
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


def _temporary_folder() -> str:
    """A new folder that is removed when the build has ended."""
    folder = tempfile.mkdtemp(prefix="nss-pyvirt-build-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


setup(
    cffi_modules=["nss_pyvirt/_build_cffi.py:ffibuilder"],
    cmdclass={"build": Build, "build_nss": BuildNss, "egg_info": EggInfo, "sdist": Sdist},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
