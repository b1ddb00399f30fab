"""The first login: a user, keys and a host key that a guest gets from its host.

In: a domain's definition, the caller's user and public keys, the owner's user-data. Out: the disk
`seed.img` (cloud-init's NoCloud), SMBIOS credentials (systemd), and what every user's ssh reads:
/run/pyvirt/ssh_known_hosts, and /run/pyvirt/ssh_config, by which it waits for a guest that boots.

- The host makes the guest's host key. Its public half stands in ssh_known_hosts under every name
  and address, so the first login is verified and asks nothing.
- A domain that is deleted leaves ssh_known_hosts; the next one of that name has a new key.
- Private keys and the owner's user-data are files of root alone in the domain's folder.
- `qemu-img` makes the seed by QEMU's own vvfat: 10 ms, and no program of its own to install.
"""
