"""What others may ask the service: the Varlink interface org.pyvirt.LeaseWatch.

In: calls on the socket `Paths.varlink`, from any local user.
Out: candidates for names, answers of names and addresses, sources, history.

`interface` is the description and the messages, `server` and `client` are the two sides, `answers`
finds them in the service's state. `offline` gives the same answers without the service: it reads
the lease files once.

What must hold: every peer is untrusted. A call is at most 64 KiB. A client reads at its own pace
and never holds up another. `daemon.seats` shares out the connections: each user has a share, root
has places of its own, and when all are taken the user with most connections loses the oldest.
"""
