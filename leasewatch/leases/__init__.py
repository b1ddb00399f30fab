"""Which leases hold now, from files that other programs rewrite while we read.

In: inotify events and reads of lease files, each a snapshot that may be cut anywhere.
Out: `LeaseChange` values: a lease is new, changed or gone.

dnsmasq rewrites its file in place, so a read may be torn. A file that is replaced by rename
(libvirt, networkd) is trusted at once. For the others:

- A read counts if fstat(2) is the same before and after it. A line counts if it ends in a newline
  and two reads in a row have it.
- A lease is gone when equal reads 50 ms apart lack it. In a file that changes all the time, three
  versions must lack it. If the file shrank by half or to nothing, equal reads take 500 ms.
- A file that ends inside a line, or that cannot be parsed at all, removes nothing. While the
  network's dnsmasq is dead, leases go only when they expire.
- A lease stays until the new record of its address, client or name counts.
- After a start, the first table waits until the files stand still: a restart loses no name.

`watcher` reports changed files; a scan every 5 s finds what inotify missed. `lease_files` reads
them. `tracker` has a page on the states of a record. `address_book` remembers when a client first
used a name; renewals and restarts do not change that. `allowance` limits how often a guest can make
us write something.
"""
