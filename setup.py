"""What pyproject.toml cannot say: the two things that are compiled from csrc/.

The cffi extension is setuptools' own business. The NSS module is not a Python extension: it goes
through one compiler call of its own, so that none of Python's flags (a RUNPATH, say) get into it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import ClassVar

from setuptools import Command, setup
from setuptools.command.build import build
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
    """setuptools' build with the NSS module as one more step."""

    sub_commands: ClassVar = [*build.sub_commands, ("build_nss", None)]


setup(
    cffi_modules=["nss_pyvirt/_build_cffi.py:ffibuilder"],
    cmdclass={"build": Build, "build_nss": BuildNss, "sdist": Sdist},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
