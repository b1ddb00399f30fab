"""What a user types to have VMs whose names resolve, by contestant and suite of Debian."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tests.system.debs import NAMES, build, needed

_LIBVIRT = "libvirt-daemon-system virtinst libnss-libvirt qemu-system-x86 openssh-client"
_INCUS = "incus openssh-client"
_OURS = " ".join(NAMES)


class Installer(NamedTuple):
    """A contestant; every command is typed by a user who has sudo."""

    name: str
    install: str
    start: list[str]
    """From there to a guest `web1`; [] if none can run here."""
    ssh: str
    remove: list[str]
    purge: list[str]
    """After `remove`."""
    upgrade: list[str]
    lean: str = ""
    """What to name instead, after `--no-install-recommends`."""
    adapt: str = ""
    """A script of root between `install` and `start`: what this container needs. Not counted."""
    debs: tuple[Path, ...] = ()
    """Packages that lie in the user's home; apt finds a later version of them."""


def of(suite: str) -> list[Installer]:
    """All that the suite has; multipass is a snap only."""
    return [_ours(build(suite)), _libvirt(), *([_incus()] if suite != "bookworm" else [])]


def packages(suite: str) -> list[str]:
    """What apt must find for all of them, with what it needs and recommends."""
    others = [_LIBVIRT, *([_INCUS] if suite != "bookworm" else [])]
    return sorted({*needed(build(suite), recommended=True), *" ".join(others).split()})


def _ours(debs: tuple[Path, ...]) -> Installer:
    launch = "--image disk.img --kernel vmlinuz --initrd initrd.gz --memory 128 --accel tcg"
    return Installer(
        "nss-pyvirt",
        "sudo apt install ./*.deb",
        [f"sudo pyvirt launch web1 {launch}"],
        "ssh web1",
        [f"sudo apt remove {_OURS}"],
        [f"sudo apt purge --autoremove {_OURS}"],
        ["sudo apt update", "sudo apt upgrade"],
        lean="./*.deb qemu-system-x86 qemu-utils openssh-client",
        debs=debs,
    )


_ADAPT_LIBVIRT = r"""
sed -i 's/^#*security_driver = .*//; s/^#*namespaces = .*//' /etc/libvirt/qemu.conf
printf '%s\n' 'security_driver = "none"' 'namespaces = []' 'cgroup_controllers = []' \
    >>/etc/libvirt/qemu.conf
systemctl restart libvirtd || systemctl restart virtqemud
chmod 0755 /home/user
"""
_VIRT_INSTALL = (
    "--name web1 --memory 128 --virt-type qemu --osinfo linux2022 --import --disk disk.img",
    "--network network=default --graphics none --noautoconsole --autostart",
    (
        "--boot kernel=/home/user/vmlinuz,initrd=/home/user/initrd.gz,"
        "kernel_args='console=ttyS0 quiet hostname=web1'"
    ),
)
_SSH_TINY = "ssh -i id_ed25519 -o StrictHostKeyChecking=accept-new root@web1"


def _libvirt() -> Installer:
    return Installer(
        "libvirt",
        f"sudo apt install {_LIBVIRT}",
        [
            "sudo virsh net-autostart default",
            "sudo virsh net-start default",
            "sudo sed -i 's/^hosts: *files/& libvirt libvirt_guest/' /etc/nsswitch.conf",
            f"sudo virt-install {' '.join(_VIRT_INSTALL)}",
        ],
        _SSH_TINY,
        [f"sudo apt remove {_LIBVIRT}"],
        [f"sudo apt purge --autoremove {_LIBVIRT}"],
        [f"sudo apt install --reinstall {_LIBVIRT} libvirt-daemon"],
        lean=f"{_LIBVIRT} libvirt-clients qemu-utils dnsmasq-base iptables",
        adapt=_ADAPT_LIBVIRT,
    )


def _incus() -> Installer:
    return Installer(
        "Incus",
        f"sudo apt install {_INCUS}",
        [],
        "",
        [f"sudo apt remove {_INCUS}"],
        [f"sudo apt purge --autoremove {_INCUS}"],
        [],
    )
