"""Domains: a QEMU process with its taps, disk overlay and console, and its parent.

In: a domain's definition. Out: a running guest, /run/pyvirt/domains/NAME.json.

- A start holds the domain's networks until its run state says that it uses them.
- QEMU runs as root because it opens images, kernels and disks by their paths. It keeps one
  capability, to read others' files. Sockets and taps arrive as open descriptors, and seccomp
  (`-sandbox on`) lets it start no program. A guest that breaks out of QEMU can write root's files.
- QEMU reads no file through an image but the image itself (`disk`). That holds only if no user
  exchanges the image between the check and QEMU's open: keep images where only root writes.
- When a guest ends, its parent releases its leases (DHCPRELEASE, DHCPv6 RELEASE) and removes taps,
  neighbour entries and run state.
- `--accel auto` boots a throw-away vCPU and lets it work: /dev/kvm may open and the guest still
  hang. The result holds until the host reboots.
"""
