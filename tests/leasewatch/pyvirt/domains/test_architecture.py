"""Which architecture a new domain has: by its kernel, its image, its owner, or the host."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import msgspec
import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.architectures import Arch
from leasewatch.pyvirt.domains import architecture, kernel_file, kvm
from leasewatch.pyvirt.domains.plan import DomainRequest
from leasewatch.pyvirt.images.known import Image, Index
from nss_pyvirt.errors import UserError

X86 = bytes(0x202) + b"HdrS"
ARM = bytes(0x38) + b"ARM\x64"
RISCV = bytes(0x38) + b"RSC\x05"


def elf(number: int, order: int = 1) -> bytes:
    where = "<H" if order == 1 else ">H"
    return b"\x7fELF\x02" + bytes([order]) + bytes(12) + struct.pack(where, number) + bytes(44)


def pe(number: int) -> bytes:
    head = b"MZ" + bytes(0x3A) + struct.pack("<I", 0x40)
    return head + b"PE\0\0" + struct.pack("<H", number)


@pytest.mark.parametrize(
    ("head", "arch"),
    [
        (X86, "x86_64"),
        (ARM, "aarch64"),
        (RISCV, "riscv64"),
        (gzip.compress(ARM, mtime=0), "aarch64"),
        (elf(21), "ppc64le"),
        (elf(21, 2), None),
        (elf(62), "x86_64"),
        (elf(183), "aarch64"),
        (elf(243), "riscv64"),
        (pe(0xAA64), "aarch64"),
        (b"\x02\xb0\xad\x1b", "x86_64"),
    ],
)
def test_a_kernels_header_says_its_architecture(head: bytes, arch: Arch | None) -> None:
    assert kernel_file.described(head) == (arch,)


@pytest.mark.parametrize(
    "head", [b"", b"#!/bin/sh", b"\x1f\x8bno gzip", b"MZ", gzip.compress(b"", mtime=0)]
)
def test_what_has_no_such_header_is_no_kernel(head: bytes) -> None:
    assert kernel_file.described(head) is None


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """With an image `arm` for aarch64 and one that does not say; the host is a PC."""
    monkeypatch.setattr(kvm, "host", lambda: "x86_64")
    paths = Paths(tmp_path)
    paths.images.mkdir(parents=True)
    images = (_image("arm", "a", "aarch64"), _image("mute", "b", None))
    (paths.images / "index.json").write_bytes(msgspec.json.encode(Index(images)))
    (tmp_path / "riscv").write_bytes(RISCV)
    return paths


def _image(name: str, digit: str, arch: Arch | None) -> Image:
    size = 1 << 20
    return Image(
        sha256=digit * 64, names=(name,), format="raw", size=size, source="/i", added=0.0, arch=arch
    )


def _chosen(
    paths: Paths, *, arch: Arch | None = None, image: str | None = None, kernel: Path | None = None
) -> Arch:
    request = DomainRequest(
        name="web1", networks=["lab"], memory=64, cpus=1, arch=arch, image=image, kernel=kernel
    )
    return architecture.chosen(paths, request, ())


def test_the_files_say_it_then_the_owner_then_the_host(paths: Paths, tmp_path: Path) -> None:
    assert _chosen(paths) == "x86_64"
    assert _chosen(paths, image="mute") == "x86_64"
    assert _chosen(paths, image="mute", arch="ppc64le") == "ppc64le"
    assert _chosen(paths, image="arm") == "aarch64"
    assert _chosen(paths, image="arm", arch="aarch64") == "aarch64"
    assert _chosen(paths, kernel=tmp_path / "riscv") == "riscv64"


def test_a_contradiction_is_one_line_with_a_hint(paths: Paths, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="image arm is for aarch64, and --arch is riscv64") as error:
        _chosen(paths, image="arm", arch="riscv64")
    assert error.value.hint == "omit --arch, or give another image"
    kernel = tmp_path / "riscv"
    what = f"image arm is for aarch64, and kernel {kernel} for riscv64"
    with pytest.raises(UserError, match=what) as error:
        _chosen(paths, image="arm", kernel=kernel)
    assert error.value.hint == "give files for one architecture"
