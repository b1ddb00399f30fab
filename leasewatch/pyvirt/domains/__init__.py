"""Domains: a QEMU process with its taps, disk overlay and console, and its parent.

In: a domain's definition. Out: a running guest, /run/pyvirt/domains/NAME.json.

- A start holds the domain's networks until its run state says that it uses them.
- QEMU runs in a sandbox (`sandbox`): as the user pyvirt-qemu, without capabilities, in namespaces
  and a root folder of its own. Disks, images, sockets and taps arrive as open descriptors, and
  seccomp (`-sandbox on`) lets it start no program. A guest that breaks out of QEMU reaches its own
  disks and cards, and can read /usr.
- QEMU inherits a lock, which tells whether the QEMU of a killed parent still runs.
- When a guest ends, its parent releases its leases (DHCPRELEASE, DHCPv6 RELEASE) and removes taps,
  neighbour entries and run state.
- `--accel auto` boots a throw-away vCPU and lets it work: /dev/kvm may open and the guest still
  hang. The result holds until the host reboots.
"""
