"""Publishing the host table, and waking lookups that wait for an address.

In: host records from `leasewatch.names`.
Out: /run/leasewatch/hosts.v1, which every program's module reads; answers on the pending socket.

csrc/snapshot_format.h defines the file: header, one hash table of folded names and addresses,
records. SipHash-2-4 has a random seed, the load is at most 1/2. A slot has 8 bytes. Slots are in
the order of their tags, so a lookup reads one window of 16 slots and one record at any size.
Header and records carry a CRC-32.

- `table` decides touched names and publishes once for all changes that are ready.
- csrc/table.c keeps the table in memory as the file will hold it. A change packs the touched record
  and moves its slots. Removed records leave holes; the table is rebuilt when an eighth is holes.
- `publisher` then writes the whole file, and reads it back through the module's own reader before
  it is renamed into place. A failure keeps the old file. Stopping the service keeps it too;
  `nss-pyvirt remove` deletes it.
- A name that two records have, which the policy rules out, costs that name alone.
- Each address carries its end. The reader checks it, so a dead service serves no stale address. A
  lease without end is published as ending in 24 hours and renewed every 12, so there is no
  heartbeat.
- A domain that was just started has a pending record. If the module finds nothing else for that
  name, it connects to `pending` and waits until `pending_until` or `pending_wait` of the header.
  The reply only ends the wait: the module then looks the table up again. If the service does not
  listen, the module returns "try again" at once.

The reader's rules are in csrc/snapshot.c: open, fstat, three preads, close, and no mmap, because a
truncated mapping is a SIGBUS in somebody's web server.
"""
