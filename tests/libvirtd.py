"""How libvirtd and a domain of its own run in a world of the tests. Starts nothing."""

from __future__ import annotations

from typing import Final

# A user of libvirt's for QEMU must be there even if another is set; no daemon but libvirtd runs.
PREPARE: Final = """
set -e
for folder in /var/cache /var/log; do mount -t tmpfs tmpfs $folder; done
mkdir -p /var/log/libvirt/qemu /var/lib/libvirt/dnsmasq /etc/libvirt/qemu/networks
getent passwd libvirt-qemu || {
  echo 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin' >> /etc/passwd
  echo 'libvirt-qemu:x:64055:' >> /etc/group
}
cat > /etc/libvirt/libvirtd.conf <<C
auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_group = "root"
C
cat > /etc/libvirt/qemu.conf <<C
user = "root"
group = "root"
security_driver = "none"
namespaces = [ ]
cgroup_controllers = [ ]
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
C
"""
"""A shell script, to be run in the world before `libvirtd`."""


def domain(
    kernel: object,
    initrd: object,
    *,
    name: str = "vm1",
    network: str = "labnat",
    mac: str = "52:54:00:dd:00:01",
    memory: int = 96,
    append: str = "console=ttyS0 quiet hostname=inside",
) -> str:
    """What `virsh define` takes: an emulated domain with one network card; `memory` in MiB."""
    return f"""
<domain type='qemu'><name>{name}</name><memory unit='MiB'>{memory}</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><kernel>{kernel}</kernel><initrd>{initrd}</initrd>
    <cmdline>{append}</cmdline></os>
  <features><acpi/></features><cpu mode='maximum'/>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
    <interface type='network'><source network='{network}'/><mac address='{mac}'/>
      <model type='virtio'/></interface>
    <memballoon model='none'/></devices></domain>
"""
