"""What others may ask the service: the Varlink interface org.pyvirt.LeaseWatch.

In: calls on the socket `Paths.varlink`, from any local user.
Out: candidates for names, answers of names and addresses, sources, history.

`interface` holds the messages, `methods` the methods, and `description` makes the interface's text
of both. `server` and `client` are the two sides, and `exchange` is what a client sends and receives
on the socket; `answers` finds the answers in the service's
state. `offline` and `offline_history` give the same answers without the service: they read the
published table, the lease files and the history once.

A list comes in pages if the call says `more`, else in one reply that is sent page by page.

What must hold: every peer is untrusted. A call is at most 64 KiB. A client reads at its own pace
and never holds up another. `daemon.seats` shares out the connections: each user has a share, root
has places of its own, and when all are taken the user with most connections loses the oldest.

Why not asyncvarlink: it limits neither a message's size nor the number of connections, has no
deadline for a peer, does not tell its uid, and refuses a call for a list without `more`.
"""
