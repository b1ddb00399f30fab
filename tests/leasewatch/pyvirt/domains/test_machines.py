"""The command lines of guests of other architectures as text, and what their machines refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import architectures
from leasewatch.pyvirt.defined.architectures import Arch
from leasewatch.pyvirt.defined.domain import DomainDefinition, Firmware
from leasewatch.pyvirt.domains import checks, kvm, qemu
from leasewatch.pyvirt.domains.machines import MACHINES
from nss_pyvirt.errors import UserError

GIVEN = qemu.Descriptors(qmp=10, events=15, migration=16, console=11, console_log=12)
CD = qemu.Drive((qemu.Layer(Path("/cd.iso"), "raw"),), "cdrom")


def _domain(
    arch: Arch, *, memory: int = 512, firmware: Firmware = "bios", kernel: str | None = "/k"
) -> DomainDefinition:
    return DomainDefinition(
        name="web1", nics=(), memory=memory, cpus=2, arch=arch, firmware=firmware, kernel=kernel
    )


def _argv(
    arch: Arch, accel: qemu.Chosen = "tcg", *drives: qemu.Drive, kernel: str | None = "/k"
) -> list[str]:
    given = GIVEN._replace(drives=tuple((20 + n,) for n, _ in enumerate(drives)))
    devices = qemu.Devices(drives, (), {"system.hostname": "web1"})
    return qemu.command(_domain(arch, kernel=kernel), accel, devices, given)


def _values(argv: list[str], option: str) -> list[str]:
    return [argv[i + 1] for i, word in enumerate(argv) if word == option]


@pytest.mark.parametrize(
    ("arch", "program", "machine", "cpu"),
    [
        ("x86_64", "qemu-system-x86_64", "q35", "max"),
        ("aarch64", "qemu-system-aarch64", "virt,gic-version=3", "max,pauth-impdef=on"),
        (
            *("ppc64le", "qemu-system-ppc64"),
            "pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off",
            "power9",
        ),
        ("riscv64", "qemu-system-riscv64", "virt", "rv64"),
    ],
)
def test_each_architecture_has_a_program_machine_and_emulated_processor(
    arch: Arch, program: str, machine: str, cpu: str
) -> None:
    argv = _argv(arch)
    assert (argv[0], _values(argv, "-machine"), _values(argv, "-cpu")) == (
        program,
        [machine],
        [cpu],
    )


@pytest.mark.parametrize(
    ("arch", "machine"),
    [("aarch64", "virt,gic-version=host"), ("ppc64le", "pseries"), ("riscv64", "virt")],
)
def test_with_kvm_a_guest_has_the_hosts_processor(arch: Arch, machine: str) -> None:
    argv = _argv(arch, "kvm")
    assert (_values(argv, "-machine"), _values(argv, "-cpu")) == ([machine], ["host"])


@pytest.mark.parametrize(
    ("arch", "device"),
    [
        ("x86_64", "pvpanic"),
        ("aarch64", "pvpanic-pci"),
        ("ppc64le", ""),
        ("riscv64", "pvpanic-pci"),
    ],
)
def test_the_device_for_panics_is_one_that_the_machine_takes(arch: Arch, device: str) -> None:
    found = [value for value in _values(_argv(arch), "-device") if "panic" in value]
    assert found == [device] * bool(device)
    keyboards = [value for value in _values(_argv(arch), "-device") if "keyboard" in value]
    assert bool(keyboards) == MACHINES[arch].has_power_key


@pytest.mark.parametrize("arch", ["aarch64", "ppc64le", "riscv64"])
def test_only_a_pc_has_ide_and_graphics(arch: Arch) -> None:
    argv = _argv(arch, "tcg", CD, kernel=None)
    assert "graphics" not in _values(argv, "-machine")[0]
    assert _values(argv, "-device")[:2] == [
        "virtio-scsi-pci,id=scsi",
        "scsi-cd,bus=scsi.0,drive=cdrom0,bootindex=0",
    ]


@pytest.mark.parametrize("arch", ["aarch64", "riscv64"])
def test_credentials_come_by_fw_cfg_where_smbios_needs_uefi(arch: Arch) -> None:
    argv = _argv(arch)
    assert _values(argv, "-fw_cfg") == [
        "name=opt/io.systemd.credentials/system.hostname,file=/credential0"
    ]
    assert "-smbios" not in argv
    devices = qemu.Devices((), (), {"system.hostname": "web1"})
    assert qemu.sandbox_files(_domain(arch), devices)["credential0"] == b"web1"


def test_pseries_takes_no_credentials() -> None:
    devices = qemu.Devices((), (), {"system.hostname": "web1"})
    assert not {"-fw_cfg", "-smbios"}.intersection(_argv("ppc64le"))
    assert [*qemu.sandbox_files(_domain("ppc64le"), devices)] == ["kernel"]


@pytest.mark.parametrize(
    ("text", "arch"),
    [
        ("amd64", "x86_64"),
        ("ARM64", "aarch64"),
        ("ppc64el", "ppc64le"),
        ("ppc64le", "ppc64le"),
        ("riscv64", "riscv64"),
    ],
)
def test_an_architecture_may_have_debians_name(text: str, arch: Arch) -> None:
    assert architectures.parse(text) == arch


def test_an_unknown_architecture_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match='no guests of the architecture "s390x"') as error:
        architectures.parse("s390x")
    assert error.value.hint == "use one of x86_64, aarch64, ppc64le, riscv64"


@pytest.mark.parametrize(
    ("domain", "what", "hint"),
    [
        (_domain("ppc64le", memory=300), "a multiple of 256 MiB of memory, not 300", "512M"),
        (_domain("ppc64le", firmware="uefi"), "guests of ppc64le have no UEFI", "--firmware"),
        (_domain("aarch64", kernel=None), "a guest of aarch64 starts by UEFI alone", "uefi"),
    ],
)
def test_what_a_machine_cannot_do_is_refused(
    tmp_path: Path, domain: DomainDefinition, what: str, hint: str
) -> None:
    with pytest.raises(UserError, match=what) as error:
        checks.check(Paths(tmp_path), domain, (), domain)
    assert hint in error.value.hint


def test_kvm_runs_guests_of_the_hosts_architecture_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvm, "host", lambda: "aarch64")
    with pytest.raises(UserError, match="runs guests of aarch64 only, not of riscv64"):
        kvm.check("riscv64")
