"""The programs whose leases we read: where their files live, and what the bytes mean.

In: bytes of a lease file, paths below the file system's root.
Out: `Lease` values; which lease files, owners of MACs and network names there are now.

A source says where its files live. It splits a file into records (dnsmasq: lines; libvirt: JSON
objects) and parses a record. `registry` lists the sources; `discovery` finds their files.
Peculiarities have files of their own (`kea_parts`, `networkd_removal`, `incus`). `leasewatch
sources` shows the state of each.

What must hold:

- An unreadable hardware address, client id, IAID or hostname is omitted and logged once; the lease
  counts. A record with an unreadable address, end, lifetime or state is no lease. Without an end it
  would answer for ever.
- A hardware address counts only where the server recorded what it saw. dnsmasq and Kea do that for
  IPv4, libvirt's helper for both families, and networkd in `HardwareAddress`. It is never taken
  from a DUID or client id, so never from Kea's DHCPv6 hwaddr.
- A guest's hostname is a claim: the first label of its DHCP hostname (RFC 2132, 3.14).
- The settings may give a file's kind. Without it, the first bytes decide (`registry.told_by`).
  While they are unknown, the file keeps its former kind.
- Small files beside the leases name the owner of a MAC (libvirt's `.macs`, Incus' and LXD's
  `dnsmasq.hosts`) and the network (libvirt's `.conf`). A torn or damaged one keeps its last value.
- libvirt lists a domain only while it runs, so a listed domain without a lease is pending for 60 s.
  Incus keeps the files of a stopped instance.
- INSTANCE.PROJECT of Incus and LXD is an alias of INSTANCE: two projects may share a name.
- A MAC belongs to a domain on one network only. No two networks share a name, ignoring case: the
  later one is called NAME-SOURCE.
- A folder that cannot be listed keeps its last content. A file or folder that vanishes removes
  nothing (`missing_files`). Its leases hold until they end, its owners stay, and both go with the
  network's interface.
- Two removals do count. networkd removes its file with the last lease. Incus removes a card's file
  with the card; that counts after 2 s, because Incus also removes all files to rewrite them.
- The files that Kea's clean-up moves aside (`.1`, `.2`, `.completed`) are read before its lease
  file.
"""
