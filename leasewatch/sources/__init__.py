"""The programs whose leases we read: where their files live, and what the bytes mean.

In: bytes of a lease file, paths below the file system's root.
Out: `Lease` values; which lease files, owners of MACs and network names there are now.

A source says where its files live, splits a file into records (dnsmasq: lines; libvirt: JSON
objects) and parses a record. Work follows the change in every format. `registry` lists the
sources, one line each; `discovery` finds their files. What is peculiar to one source is in its own
file (`kea_parts`, `networkd_removal`, `incus`). `leasewatch sources`
shows how each one stands.

What must hold:

- One bad field costs that field. An unreadable hardware address, client id, IAID or hostname is
  omitted and logged once; the lease counts. A record whose address, end, lifetime or state cannot
  be read is no lease: without an end it would answer for ever.
- A hardware address counts only where the server recorded what it saw: dnsmasq's and Kea's for
  IPv4, libvirt's helper's for both families, networkd's `HardwareAddress`. It is never taken from
  a DUID or client id, so never from Kea's DHCPv6 hwaddr.
- A guest's hostname is a claim: the first label of the DHCP hostname (RFC 2132, 3.14), for every
  format in `fields`.
- A file given in the settings has the kind that they give. Without one, its first bytes decide
  (`registry.told_by`); until they are known the file keeps its former kind.
- Small files beside the leases name the owner of a MAC (libvirt's `.macs`, the `dnsmasq.hosts` of
  Incus and LXD) and the network (libvirt's `.conf`). A torn, empty or damaged one keeps its last
  value. libvirt lists a domain only while it runs, so a listed domain without a lease is pending
  for 60 s. Incus keeps its files while an instance is stopped, so they prove nothing about that.
- INSTANCE.PROJECT of Incus and LXD is an alias of INSTANCE: two projects may share a name.
- A MAC belongs to a domain on one network only. No two networks share a name, ignoring case: the
  later one is called NAME-SOURCE.
- A folder that cannot be listed holds what it held before. A file or folder that vanishes removes
  nothing (`missing_files`): its leases last until they end, its owners stay, and both go with the
  network's interface. Two removals are statements: networkd removes its file with the last lease,
  Incus removes a card's file with the card (it counts after 2 s, as Incus rewrites them all).
- What Kea's clean-up moved aside (`.1`, `.2`, `.completed`) is read before its lease file.
"""
