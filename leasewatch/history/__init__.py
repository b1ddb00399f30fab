"""Who was where, when: a SQLite file of holdings and events.

In: lease changes, neighbour changes and claims, from the event loop.
Out: rows for `leasewatch history`; first appearances and given-back leases for a restart.

A holding is a client's time at an address under one hostname. A renewal moves its end and is no
event, so an idle host's file does not grow. 10,000 holdings take 2.1 MiB.

`holdings` is the state machine and `intake` limits what guests cause (both pure). `writer` has the
queue and the thread, `file` and `schema` the SQLite part. `reader` trusts nothing in the file.

- An address without a lease is a holding if a domain or another lease has its MAC. A guest that
  invents MACs would otherwise fill the file.
- Such a holding is `gone` for good when its domain ends, nothing answers or another MAC does. It is
  `quiet` when it was not seen for a day, the service was down, or its bridge or prefix went. It
  continues if it is seen within a day in the same run of its domain.
- Every start or end of a holding is an event, except a renewal and `quiet`.
- The event loop only queues (2 ms per 1,000 changes). A thread writes, one transaction a batch. The
  queue is bounded; dropped entries are logged.
- A guest may change its hostname 250 times a second. So each client has an allowance: 20 changes at
  once, then one a minute. Beyond it, changes of an address are held for a minute and written as one
  (`intake`). Log lines about failed claims have the same limit (`claim_log`).
- At a start, and after a loss, the open holdings are compared with all leases and neighbours.
- First appearances are read from the holdings.
- A damaged file is renamed and a new one started. A full or read-only disk is logged once and
  retried every 10 s; waiting entries are kept.
- Event numbers are never reused. Age and size remove whole holdings with their events, never one
  that holds. If the file is too large, a client with more than 2,000 holdings loses its own first.
- Each page of a query has its own connection and a deadline. The reader may be root, and the folder
  is the service's: it reads only our tables, and only from regular files.
"""
