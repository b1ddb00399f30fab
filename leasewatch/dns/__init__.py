"""Names beyond glibc on this host: a DNS server, the site's zones, peers. `leasewatch dns serve`.

In: the decided names, from the service's Varlink method `Records`; DNS messages; peers' zones.
Out: answers, zones, NOTIFY, updates, and the table of the peers' names for the NSS module.

- `table` holds the names of this host as `Records` reports them (pure).
- `zone` keeps one zone in wire form with its journal; `wire` makes names and data (both pure).
- `site_zones` says which names the site gets, `catalog` which zones (both pure). `own_zones` keeps
  those zones as the table and the settings want them.
- `zones` holds every zone that is served; `state` stores each serial before it is served.
- `doors` makes the parts that the settings ask for, and connects them.
- `transfers` gives zones to name servers that sign with the key; `notify` reports new serials to
  them until they ask. `signatures` checks TSIG, `replies` frames what is sent.
- `server` is the DNS server: `listener` (UDP) and `streams` (TCP) have the sockets, `responder`
  decides who answers, `answers` and `peer_answers` say what (pure), `views` who may ask for which
  names (pure).
  `queries` reads and writes what most clients send (pure); `held` keeps questions for a name that
  is pending. Answers are in wire form and kept until a change touches their name.
- `setup` is what the site's name servers have to know, as text to paste.
- `hook` is systemd-resolved's hook; `hook_filters` and `hook_answers` (pure) say for which names it
  is asked and what it answers. It is the one part that runs in the service, without dnspython.
- `updates` keeps a flat zone of another server (RFC 2136): `update_names` says which names,
  `update_plan` which changes, `update_messages` how (all pure); `updater` makes them.
- `peers` pulls the other hosts' zones: `follower` says when, `pull` makes one transfer, `peer_zone`
  judges what came (pure), `peer_state` keeps it on disk. `peer_names` says which names answer here
  (pure), `peers_table` publishes them for the NSS module, and `hub` serves the zones again.
- `following` keeps the table as the service's method `Records` says.
- `process` follows the settings. It makes the parts of `doors`, each a `part.Part`, and tells them
  of changes. None waits for another.
- `keys` reads and makes TSIG keys.

What must hold: this room runs in a process of its own, as the user leasewatch-dns. It reads no
lease file. Every DNS client, peer and secondary is untrusted: sizes, counts and times are bounded.
While the service is away, the last names stay. No key is printed or logged. Only this room imports
dnspython, and only the commands `leasewatch dns` import this room, apart from `hook`.
"""
