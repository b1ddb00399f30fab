"""What others may ask the service: two Varlink interfaces on one socket.

In: calls on the socket `Paths.varlink`, from any local user.
Out: candidates for names, answers of names and addresses, sources, history; status and limits.

- `interface` holds the messages of org.pyvirt.LeaseWatch, `methods` its methods. `admin_interface`
  and `admin` are the same for org.pyvirt.Admin. `description` makes each interface's text of both;
  packaging/varlink has the texts as files.
- `server` and `client` are the two sides, and `exchange` is what a client sends and receives on the
  socket. `peers` knows who is connected, `connection` finds whole calls in what a peer sends,
  `sending` sends long replies, and `turns` shares out the rounds of the event loop.
- `records` has the published names for programs that keep a copy; its messages are in
  `records_interface`. `backlog` keeps what a stream sent last, and each reader has its own pace.
- `answers` finds the answers in the service's state. `offline` and `offline_history` give the same
  answers without the service: they read the published table, the lease files and the history once.
- `feed` has the events of `Monitor`, which `changes` finds; `waits` has who waits for a name. Both
  follow the host table only while somebody watches or waits, and act after it was published.

A list comes in pages if the call says `more`, else in one reply that is sent page by page.

What must hold: every peer is untrusted. A call is at most 64 KiB. A client reads at its own pace
and never holds up another. A crowd of them does not delay a new lease. `daemon.seats` shares out
the connections: each user has a share, root has places of its own, and when all are taken the user
with most connections loses the oldest. Only root and the group pyvirt may change something.

Why not asyncvarlink: it limits neither a message's size nor the number of connections, has no
deadline for a peer, does not tell its uid, and refuses a call for a list without `more`.
"""
