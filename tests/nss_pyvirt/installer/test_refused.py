"""What the installer refuses to do, and how it says so."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import glibc, tools
from nss_pyvirt.installer.cli import command
from nss_pyvirt.installer.install import install
from nss_pyvirt.terminal import frame
from tests.nss_pyvirt.installer.image import (
    LIBC,
    LIBS,
    make_image,
    system,
    tree,
)


def test_a_fifo_in_its_place_is_refused_and_not_waited_for(image: Path) -> None:
    (image / "etc/nsswitch.conf").unlink()
    os.mkfifo(image / "etc/nsswitch.conf")
    program = "from nss_pyvirt.installer.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "status", "--root", str(image)],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    said = f"nss-pyvirt: {image}/etc/nsswitch.conf is not a regular file\n"
    assert done.stderr.startswith(said)


def test_a_glibc_of_another_architecture_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    header = bytearray(LIBC.read_bytes()[:64])
    header[18:20] = b"\xff\x7f"  # e_machine
    (tmp_path / "usr/lib/libc.so.6").write_bytes(header)
    with pytest.raises(UserError, match="no glibc of this architecture"):
        glibc.module_folder(tmp_path)


def test_a_glibc_that_lacks_the_modules_symbols_is_refused(tmp_path: Path) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/libc.so.6").write_bytes(LIBC.read_bytes().replace(b"_2.34\0", b"_2.33\0"))
    with pytest.raises(UserError, match=r"libc.so.6 is older than glibc 2\.34"):
        glibc.module_folder(tmp_path)


def test_an_image_without_the_program_is_refused(image: Path) -> None:
    (image / "opt/pyvirt/bin/leasewatch").unlink()
    before = tree(image)
    with pytest.raises(UserError, match="image/opt/pyvirt/bin/leasewatch does not exist") as caught:
        install(system(image))
    assert f"sudo chroot {image} nss-pyvirt install" in caught.value.hint
    assert tree(image) == before


def test_a_program_that_the_service_cannot_see_is_refused(image: Path) -> None:
    with pytest.raises(UserError, match="/home/me/bin/leasewatch is below /home"):
        install(system(image, "/home/me/bin/leasewatch"))


def test_a_python_that_the_service_cannot_see_is_refused(image: Path) -> None:
    (image / "opt/pyvirt/bin/python").symlink_to("/root/.pyenv/bin/python3")
    with pytest.raises(UserError, match=r"/root/.pyenv/bin/python3 is below /root"):
        install(system(image))


def test_a_root_that_is_no_folder_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.run(command, "nss-pyvirt", ["install", "--root", "/no/such/folder"]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_without_root_there_is_one_line_and_a_hint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _: "/opt/pyvirt/bin")  # not below /root
    with tempfile.TemporaryDirectory() as folder:
        image = make_image(Path(folder))
        Path(folder).chmod(0o755)
        (image / LIBS).chmod(0o555)
        with _not_root():
            assert frame.run(command, "nss-pyvirt", ["install", "--root", str(image)]) == 1
        assert not (image / LIBS / glibc.MODULE).exists()
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in said] == ["nss-pyvirt", "  hint"]
    assert said[0].endswith(f"/{LIBS}/{glibc.MODULE}: Permission denied")


@pytest.mark.parametrize("verb", ["install", "remove"])
def test_the_own_system_is_roots_alone_to_change(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with _not_root():
        assert frame.run(command, "nss-pyvirt", [verb]) == 1
    said = capsys.readouterr().err
    assert said == f"nss-pyvirt: nss-pyvirt {verb} needs root\n  hint: sudo nss-pyvirt {verb}\n"


@contextmanager
def _not_root() -> Iterator[None]:
    former = os.geteuid()
    if former == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(former)


@pytest.mark.parametrize("ask", [tools.run, tools.succeeds, tools.output])
def test_a_tool_that_does_not_end_is_one_clear_line(ask: Callable[..., object]) -> None:
    with pytest.raises(UserError, match=r"^sleep has not ended within 0\.5 s$"):
        ask("sleep", "60", timeout=0.5)
