"""Volumes: disks of their own, which outlive the domains that use them, and passphrases.

In: a name, a size and perhaps a passphrase. Out: /var/lib/pyvirt/volumes/NAME.qcow2, which only
root can read.

- An encrypted volume is a qcow2 file whose content is LUKS: a main key in eight key slots, each
  opened by a passphrase of its own. The last one cannot be removed.
- A passphrase is a `Secret`. It reaches qemu-img by a pipe, and QEMU by a file in its sandbox. It
  is on no command line, in no environment and in no log.
- A volume belongs to at most one domain: the one whose definition names it.
- A running domain's QEMU holds its volumes; nothing changes them meanwhile.
"""
