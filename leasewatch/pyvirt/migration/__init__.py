"""Migration: a running guest moves to another host, with its disks and its names.

In: a running domain and the other host. Out: the same domain there, and nothing of it here.

- The command on the source drives: it asks its own QEMU, and an agent on the destination.
- The guest never runs twice. The destination's QEMU starts paused, and goes on once the source has
  handed its guest over. Until then the source's guest goes on after any failure.
- Success is judged on the destination.
- QEMU has no network: its sockets are in `/migration` of its root folder, which the host's root
  reaches through /proc. Channels join these folders of the two hosts.
- The name follows (`names`). A network that is bridged on both hosts is one link: the guest keeps
  its addresses. Elsewhere its link goes down and up, and it asks for a lease. The source keeps the
  name until the destination has it.
"""
