"""UEFI's files: which are used, and the copy of the variables that each domain has."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.domain import DiskDefinition, WantedFirmware
from leasewatch.pyvirt.domains import uefi
from leasewatch.pyvirt.domains.machines import MACHINES
from leasewatch.pyvirt.domains.plan import DomainRequest
from leasewatch.pyvirt.files import DomainFiles
from nss_pyvirt.errors import UserError

DIGEST = "a" * 64
DISK = DiskDefinition(file="disk.qcow2", sha256=DIGEST, source="/images/base", size=1 << 20)
EFI_ONLY = bytes(450) + b"\xef" + bytes(59) + b"\x55\xaa"
"""A boot sector whose first partition is an EFI system partition."""


@pytest.fixture
def ovmf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Where UEFI's program and variables are looked for; none is there."""
    pair = tmp_path / "OVMF_CODE.fd", tmp_path / "OVMF_VARS.fd"
    first = ("/nowhere", "/nowhere")
    machine = MACHINES["x86_64"]._replace(uefi=(first, (str(pair[0]), str(pair[1]))))
    monkeypatch.setattr(uefi, "MACHINES", {**MACHINES, "x86_64": machine})
    return pair


def _installed(ovmf: tuple[Path, Path]) -> None:
    for file in ovmf:
        file.write_text(file.name)


def _choose(folder: Path, wanted: WantedFirmware, content: bytes, kind: str = "raw") -> str:
    paths = Paths(folder)
    image = paths.images / f"sha256-{DIGEST}.{kind}"
    image.parent.mkdir(parents=True, exist_ok=True)
    raw = folder / "raw"
    raw.write_bytes(content.ljust(1 << 20, b"\0"))
    argv = ["qemu-img", "convert", "-f", "raw", "-O", kind, str(raw), str(image)]
    subprocess.run(argv, check=True)
    request = DomainRequest(name="web1", networks=["lab"], memory=64, cpus=1, firmware=wanted)
    return uefi.chosen(paths, request, "x86_64", [DISK])


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_auto_looks_into_the_image(tmp_path: Path, ovmf: tuple[Path, Path], kind: str) -> None:
    _installed(ovmf)
    assert _choose(tmp_path, "auto", EFI_ONLY, kind) == "uefi"
    assert _choose(tmp_path, "bios", EFI_ONLY, kind) == "bios"
    assert _choose(tmp_path, "auto", b"", kind) == "bios"
    assert _choose(tmp_path, "uefi", b"", kind) == "uefi"


def test_a_host_without_ovmf_says_what_to_type(tmp_path: Path, ovmf: tuple[Path, Path]) -> None:
    with pytest.raises(UserError, match="this image starts by UEFI alone, and ovmf") as error:
        _choose(tmp_path, "auto", EFI_ONLY)
    assert error.value.hint == "apt install ovmf, or try --firmware bios"
    with pytest.raises(UserError, match="the guest starts by UEFI, and ovmf") as error:
        _choose(tmp_path, "uefi", b"")
    assert error.value.hint == "apt install ovmf"
    assert _choose(tmp_path, "auto", b"") == "bios"


def test_a_guest_keeps_its_variables(tmp_path: Path, ovmf: tuple[Path, Path]) -> None:
    _installed(ovmf)
    files = DomainFiles(Paths(tmp_path), "web1")
    files.data.mkdir(parents=True)
    program, variables = uefi.drives(files, "x86_64")
    assert [(each.path, each.writable) for each in program.layers] == [(ovmf[0], False)]
    assert [(each.path, each.writable) for each in variables.layers] == [(files.uefi, True)]
    files.uefi.write_text("changed")
    uefi.drives(files, "x86_64")
    assert files.uefi.read_text() == "changed"
